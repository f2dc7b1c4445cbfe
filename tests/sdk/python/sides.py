"""The same call on both sides: straight to the provider, and through the gateway.

A case hands `Sides.both` a function from a client to a call. The function is run with a client for
each address, and everything that the SDK gives must be equal: the parsed answer, or the exception
and all that it tells.
"""

from __future__ import annotations

import asyncio
import difflib
import inspect
import itertools
import json
import os
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import openai
from pydantic import BaseModel

SIDES = {"direct": "DIRECT_BASE_URL", "gateway": "GATEWAY_BASE_URL"}
FAULT_HEADER = "x-simulator-fault"
LONGEST_CALL_S = 20
MOST_DIFFERENT_LINES = 80
CLIENTS = {
    "sync": (openai.OpenAI, openai.DefaultHttpxClient),
    "async": (openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient),
}
# Nothing here speaks TLS, and reading the authorities anew takes each client longer than its call.
TLS = ssl.create_default_context()


@dataclass
class Outcome:
    """What a call gave."""

    value: Any = None
    error: dict[str, Any] | None = None
    events: list[Any] = field(default_factory=list)

    def told(self, ignore: frozenset[str]) -> dict[str, Any]:
        """Everything there is to compare, without the members that differ from call to call."""
        everything = {"value": self.value, "events": self.events, "error": self.error}
        return _without(everything, ignore)


class Sides:
    """Runs calls on both sides with one kind of client, `sync` or `async`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def both(
        self, call: Callable[[Any], Any], *, ignore: tuple[str, ...] = (), **client: Any
    ) -> Outcome:
        """Runs `call` on both sides, compares what it gives, and returns it."""
        direct, gateway = self.each(call, **client)
        difference = _difference(direct.told(frozenset(ignore)), gateway.told(frozenset(ignore)))
        assert not difference, f"the two sides differ:\n{difference}"
        return gateway

    def each(self, call: Callable[[Any], Any], **client: Any) -> tuple[Outcome, Outcome]:
        """Runs `call` on both sides and returns what each gives, the provider's first."""
        return self.on("direct", call, **client), self.on("gateway", call, **client)

    def on(self, side: str, call: Callable[[Any], Any], **client: Any) -> Outcome:
        """Runs `call` on one side."""
        return asyncio.run(self._run(os.environ[SIDES[side]], call, client))

    async def _run(
        self, base_url: str, call: Callable[[Any], Any], options: dict[str, Any]
    ) -> Outcome:
        async with Client(self.kind, base_url, **options) as client:
            outcome = Outcome()
            try:
                await _collect(await given(call(client)), outcome)
            except (openai.OpenAIError, ValueError) as error:
                outcome.error = _describe(error)
            return outcome


class Client:
    """A client with a key of its own, and therefore with limit pools of its own."""

    def __init__(
        self,
        kind: str,
        base_url: str,
        *,
        fault: str | None = None,
        max_retries: int = 0,
        **options: Any,
    ) -> None:
        options = {"api_key": fresh_key(), "timeout": LONGEST_CALL_S} | options
        headers = {} if fault is None else {FAULT_HEADER: f"{fault};key={uuid.uuid4().hex}"}
        client, transport = CLIENTS[kind]
        self._client = client(
            base_url=base_url,
            max_retries=max_retries,
            default_headers=headers,
            http_client=transport(verify=TLS),
            **options,
        )

    async def __aenter__(self) -> Any:
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await given(self._client.close())


def fresh_key() -> str:
    """A key that no other test uses."""
    return f"sk-{uuid.uuid4().hex}"


async def given(value: Any) -> Any:
    """What a call gives: at once from a client that blocks, when awaited from one that does not."""
    return await value if inspect.isawaitable(value) else value


async def each_of(stream: Any) -> Any:
    """The elements of a stream of either kind."""
    if hasattr(stream, "__aiter__"):
        async for element in stream:
            yield element
    else:
        for element in stream:
            yield element


async def _collect(value: Any, outcome: Outcome) -> None:
    if isinstance(value, (openai.Stream, openai.AsyncStream)):
        async for event in each_of(value):
            outcome.events.append(_plain(event))
    else:
        outcome.value = _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        # What the wire did not carry stays absent, so that absent and null are told apart.
        return value.model_dump(mode="json", exclude_unset=True, warnings=False)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(element) for element in value]
    return value


def _describe(error: Exception) -> dict[str, Any]:
    told = {"raised": type(error).__name__, "message": str(error)}
    for name in ("status_code", "code", "type", "param", "body"):
        if hasattr(error, name):
            told[name] = getattr(error, name)
    return told


def _without(value: Any, ignore: frozenset[str]) -> Any:
    if isinstance(value, dict):
        # The gateway asks every stream for its usage, and a provider that is asked writes
        # `usage: null` into all chunks but the last. Null tells a caller nothing.
        names = (
            name for name in value if name not in ignore and not _is_null_usage(name, value[name])
        )
        return {name: _without(value[name], ignore) for name in names}
    if isinstance(value, list):
        return [_without(element, ignore) for element in value]
    return value


def _is_null_usage(name: str, member: Any) -> bool:
    return name == "usage" and member is None


def _difference(expected: Any, actual: Any) -> str:
    """The members that differ, as lines to read; empty when all are equal."""
    lines = difflib.unified_diff(_lines(expected), _lines(actual), "direct", "gateway", lineterm="")
    return "\n".join(itertools.islice(lines, MOST_DIFFERENT_LINES))


def _lines(value: Any) -> list[str]:
    return json.dumps(
        value, indent=1, sort_keys=True, ensure_ascii=False, default=repr
    ).splitlines()
