"""Each SDK against each provider, through one gateway, and what is told of it.

A case is a function from a `Pair` to nothing: it returns where the SDK's user is given what they asked
for. A request that the gateway refuses because the other API has no words for it is an answer too, if
the case is expected to be refused. Each case tells one cell of the table in docs/conformance.md.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

import monitor
from sides import FAULT_HEADER, LONGEST_CALL_S, TLS, fresh_key

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
# A picture of one pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = "JVBERi0xLjQKJSVFT0YK"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place", "days"],
    "additionalProperties": False,
}


class Pair:
    """One SDK and the provider whose model it asks for."""

    def __init__(self, sdk: str, provider: str) -> None:
        self.sdk = sdk
        self.provider = provider
        self.model = MODELS[provider]
        self.is_translated = sdk != provider

    @contextmanager
    def client(self, *, fault: str | None = None, **options: Any) -> Iterator[Any]:
        """A client of the SDK with a key of its own."""
        headers = {} if fault is None else {FAULT_HEADER: f"{fault};key={uuid.uuid4().hex}"}
        given = {
            "api_key": fresh_key(),
            "timeout": LONGEST_CALL_S,
            "max_retries": 0,
            "default_headers": headers,
        } | options
        if self.sdk == "openai":
            transport = openai.DefaultHttpxClient(verify=TLS)
            made: Any = openai.OpenAI(
                base_url=os.environ["PAIRS_URL"] + "/v1", http_client=transport, **given
            )
        else:
            transport = anthropic.DefaultHttpxClient(verify=TLS)
            made = anthropic.Anthropic(
                base_url=os.environ["PAIRS_URL"], http_client=transport, **given
            )
        with made:
            yield made

    def errors(self) -> Any:
        """The SDK's module, for its exceptions."""
        return openai if self.sdk == "openai" else anthropic


class NotTried(Exception):
    """Why a case cannot show what it is about."""


def tell(row: str, pair: Pair, cell: str) -> None:
    """Writes one cell of the table down."""
    column = f"{pair.sdk}/python/{pair.provider}"
    with open(os.environ["CONFORMANCE"], "a", encoding="utf-8") as file:
        file.write(json.dumps({"row": row, "column": column, "cell": cell}) + "\n")


def run(row: str, case: Callable[[Pair], None], pair: Pair, refused: str | None) -> None:
    """Runs a case. `refused` is the field that the gateway has to name when it refuses the call."""
    if refused is None:
        cell = "yes"
        try:
            case(pair)
        except NotTried as reason:
            cell = f"not tried: {reason}"
        monitor.eventually(gateway().unsettled, monitor.NOTHING)
        tell(row, pair, cell)
        return
    before = received()
    with pytest.raises(pair.errors().BadRequestError) as caught:
        case(pair)
    assert refused in str(caught.value), caught.value
    assert received() == before, "what is refused reaches no provider"
    tell(row, pair, f"refused: `{refused}`")


def gateway() -> monitor.Gateway:
    """The gateway between the SDKs and both providers."""
    return monitor.Gateway(os.environ["PAIRS_URL"], os.environ["PAIRS_ADMIN_TOKEN"])


def received() -> int:
    """Requests that came to either provider."""
    providers = (Pair("openai", provider) for provider in MODELS)
    return sum(simulator_of(pair).counters()["received"] for pair in providers)


def simulator_of(pair: Pair) -> monitor.Simulator:
    """The provider that the pair's calls come to."""
    variable = "SIMULATOR_URL" if pair.provider == "openai" else "ANTHROPIC_SIMULATOR_URL"
    return monitor.Simulator(os.environ[variable])
