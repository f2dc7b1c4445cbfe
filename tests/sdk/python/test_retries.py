"""Faults that pass: alone, the SDK mends them; behind the gateway it has nothing to mend."""

from __future__ import annotations

import openai
import pytest

from sides import Sides, given
from test_text import CHAT, REFUSED

GATEWAY_HEADERS = {
    "x-paceline-request-id",
    "x-paceline-wait-ms",
    "x-paceline-attempts",
    "x-paceline-estimated-tokens",
}
PROVIDER_HEADERS = {
    "content-type",
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-request-id",
}
SAME_ON_EVERY_CALL = {
    "content-type",
    "openai-organization",
    "openai-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
}


async def raw_chat(client, model=CHAT["model"]):
    order = CHAT | {"model": model}
    response = await given(client.chat.completions.with_raw_response.create(**order))
    return {
        "headers": dict(response.headers),
        "retries": response.retries_taken,
        "parsed": response.parse(),
    }


async def raw_stream(client):
    response = await given(client.chat.completions.with_raw_response.create(**CHAT, stream=True))
    stream = response.parse()
    await given(stream.close())
    return {"headers": dict(response.headers)}


@pytest.mark.parametrize("fault", ["500", "503", "429"])
def test_the_gateway_mends_what_the_sdk_would(sides: Sides, fault: str) -> None:
    order = f"{fault};times=2"

    def call(client):
        return raw_chat(client, REFUSED)

    direct = sides.on("direct", call, fault=order, max_retries=2)
    gateway = sides.on("gateway", call, fault=order, max_retries=0)
    assert gateway.error is None and direct.error is None
    assert gateway.value["parsed"] == direct.value["parsed"]
    assert direct.value["retries"] == 2
    assert gateway.value["retries"] == 0
    assert gateway.value["headers"]["x-paceline-attempts"] == "3"


@pytest.mark.parametrize("call", [raw_chat, raw_stream])
def test_the_providers_headers_come_through_and_the_gateways_are_added(sides: Sides, call) -> None:
    direct, gateway = sides.each(call)
    expected, actual = direct.value["headers"], gateway.value["headers"]
    assert PROVIDER_HEADERS <= expected.keys(), "the provider sends less than this test relies on"
    assert PROVIDER_HEADERS <= actual.keys()
    assert {name: actual[name] for name in SAME_ON_EVERY_CALL} == {
        name: expected[name] for name in SAME_ON_EVERY_CALL
    }
    assert GATEWAY_HEADERS <= actual.keys()
    assert actual["x-paceline-attempts"] == "1"
    assert not any(name.startswith("x-paceline-") for name in expected)


def test_an_error_tells_its_attempts_too(sides: Sides) -> None:
    async def attempts(client):
        try:
            await given(client.chat.completions.create(**CHAT))
        except openai.APIStatusError as error:
            return error.response.headers.get("x-paceline-attempts")

    assert sides.on("gateway", attempts, fault="500").value == "3"
    assert sides.on("gateway", attempts, fault="insufficient_quota").value == "1"
