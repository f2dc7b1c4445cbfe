"""Anthropic's SDK against a provider that is like Anthropic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

import monitor
from sides import FAULT_HEADER, fresh_key

MESSAGE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Say something short."}],
}
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@pytest.fixture
def client() -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=os.environ["ANTHROPIC_SIMULATOR_URL"],
        api_key=fresh_key(),
        max_retries=0,
        timeout=20,
    ) as client:
        yield client


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    simulator = monitor.Simulator(os.environ["ANTHROPIC_SIMULATOR_URL"])
    monitor.eventually(simulator.in_flight, 0)


def test_a_message_and_its_limits(client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(**MESSAGE)
    message = raw.parse()
    assert message.content[0].type == "text"
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.input_tokens == 11
    assert message.usage.cache_read_input_tokens == 0
    assert message._request_id.startswith("req_")
    assert raw.headers["anthropic-ratelimit-input-tokens-limit"] == "1000000000"


def test_a_stream_adds_up_to_the_whole_message(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(**MESSAGE)
    with client.messages.stream(**MESSAGE) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text == final.content[0].text
    assert (final.id, final.stop_reason) == (whole.id, whole.stop_reason)
    assert final.usage.output_tokens == whole.usage.output_tokens
    kinds = [event.type for event in client.messages.create(**MESSAGE, stream=True)]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_tools_are_called(client: anthropic.Anthropic) -> None:
    asked = MESSAGE | {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "weather"}}
    whole = client.messages.create(**asked)
    call = whole.content[0]
    assert (call.type, call.name, whole.stop_reason) == ("tool_use", "weather", "tool_use")
    assert isinstance(call.input["city"], str)
    with client.messages.stream(**asked) as stream:
        assert stream.get_final_message().content[0].input == call.input


def test_thinking_is_shown(client: anthropic.Anthropic) -> None:
    asked = MESSAGE | {
        "max_tokens": 4_000,
        "thinking": {"type": "enabled", "budget_tokens": 1_024},
    }
    with client.messages.stream(**asked) as stream:
        thinking, text = stream.get_final_message().content
    assert (thinking.type, text.type) == ("thinking", "text")
    assert thinking.thinking and thinking.signature


def test_a_marked_prompt_is_read_from_the_cache(client: anthropic.Anthropic) -> None:
    text = fresh_key() + "x" * 8_000
    block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    first = client.messages.create(**MESSAGE, system=[block]).usage
    second = client.messages.create(**MESSAGE, system=[block]).usage
    assert first.cache_creation_input_tokens > 2_000 and first.cache_read_input_tokens == 0
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation_input_tokens == 0


def test_tokens_are_counted_and_models_listed(client: anthropic.Anthropic) -> None:
    asked = {name: MESSAGE[name] for name in ("model", "messages")}
    assert client.messages.count_tokens(**asked).input_tokens == 11
    assert "claude-haiku-4-5" in [model.id for model in client.models.list()]


ERRORS = {
    "429": (anthropic.RateLimitError, 429, "rate_limit_error"),
    "500": (anthropic.InternalServerError, 500, "api_error"),
    "503": (anthropic.InternalServerError, 529, "overloaded_error"),
}


@pytest.mark.parametrize("fault", ERRORS)
def test_failures_have_their_classes(client: anthropic.Anthropic, fault: str) -> None:
    raised, status, kind = ERRORS[fault]
    with pytest.raises(raised) as caught:
        client.messages.create(**MESSAGE, extra_headers={FAULT_HEADER: fault})
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == kind
    assert caught.value.body["request_id"] == caught.value.request_id


def test_an_error_in_a_stream_is_raised(client: anthropic.Anthropic) -> None:
    headers = {FAULT_HEADER: "error_in_stream;after=4"}
    with pytest.raises(anthropic.APIStatusError) as caught:
        for _ in client.messages.create(**MESSAGE, stream=True, extra_headers=headers):
            pass
    assert caught.value.body["error"]["type"] == "overloaded_error"


def test_mistakes_are_told_apart(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(**MESSAGE | {"model": "model-does-not-exist"})
    with pytest.raises(anthropic.BadRequestError, match="messages: at least one message"):
        client.messages.create(**MESSAGE | {"messages": []})
    with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
        client.with_options(api_key="sk-invalid").messages.create(**MESSAGE)
