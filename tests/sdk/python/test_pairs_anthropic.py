"""Anthropic's SDK against providers of both dialects, through one gateway."""

from __future__ import annotations

import anthropic
import httpx2
import pytest
from pydantic import BaseModel

import monitor
from pairs import PDF, PIXEL, SCHEMA, NotTried, Pair, run, simulator_of
from sides import fresh_key

ASK = [{"role": "user", "content": "Why is the sky blue? Grüße, 世界."}]
TOOL = {"name": "forecast", "description": "The weather at a place.", "input_schema": SCHEMA}
DEMAND = {"tools": [TOOL], "tool_choice": {"type": "any"}}


class Forecast(BaseModel):
    """What the structured answer is read as."""

    place: str
    days: int


def asked(pair: Pair, **more):
    system = "You answer in one sentence."
    return {"model": pair.model, "max_tokens": 60, "system": system, "messages": ASK} | more


def message(pair: Pair, client: anthropic.Anthropic, **more):
    return client.messages.create(**asked(pair, **more))


def text(pair: Pair) -> None:
    with pair.client() as client:
        answer = message(pair, client)
        again = message(pair, client)
    [block] = answer.content
    assert block.type == "text" and block.text
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", pair.model)
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert 10 < answer.usage.input_tokens < 60 and answer.usage.output_tokens > 0
    assert again.content[0].text == block.text


def stream(pair: Pair) -> None:
    with pair.client() as client:
        whole = message(pair, client)
        with client.messages.stream(**asked(pair)) as helper:
            said = "".join(helper.text_stream)
            final = helper.get_final_message()
        kinds = [event.type for event in message(pair, client, stream=True)]
    assert said == whole.content[0].text == final.content[0].text
    assert (final.id, final.stop_reason) == (whole.id, whole.stop_reason)
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def stream_usage(pair: Pair) -> None:
    with pair.client() as client:
        whole = message(pair, client)
        with client.messages.stream(**asked(pair)) as helper:
            final = helper.get_final_message()
    for name in ("input_tokens", "output_tokens"):
        assert getattr(final.usage, name) == getattr(whole.usage, name), name


def tool_call(pair: Pair) -> None:
    with pair.client() as client:
        answer = message(pair, client, **DEMAND)
    [call] = answer.content
    assert (answer.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "forecast")
    assert call.id
    Forecast.model_validate(call.input)


def tool_stream(pair: Pair) -> None:
    with pair.client() as client:
        whole = message(pair, client, **DEMAND).content[0]
        with client.messages.stream(**asked(pair, **DEMAND)) as helper:
            pieces = [event.partial_json for event in helper if event.type == "input_json"]
            final = helper.get_final_message()
    [call] = final.content
    assert (call.id, call.input, final.stop_reason) == (whole.id, whole.input, "tool_use")
    assert len(pieces) > 2, "the arguments come in pieces"


def tool_result(pair: Pair) -> None:
    with pair.client() as client:
        said = message(pair, client, **DEMAND)
        result = {"type": "tool_result", "tool_use_id": said.content[0].id, "content": "Rain."}
        turns = [
            *ASK,
            {"role": "assistant", "content": said.content},
            {"role": "user", "content": [result]},
        ]
        answer = message(pair, client, tools=[TOOL], messages=turns)
    assert answer.content[0].text


def with_part(pair: Pair, part: dict) -> tuple[int, int]:
    """Tokens of a prompt without a part and with it."""
    parts = [{"type": "text", "text": "What is this?"}]
    with pair.client() as client:
        bare = message(pair, client, messages=[{"role": "user", "content": parts}])
        full = message(pair, client, messages=[{"role": "user", "content": [*parts, part]}])
    assert full.content[0].text
    return bare.usage.input_tokens, full.usage.input_tokens


def image(pair: Pair) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    bare, full = with_part(pair, {"type": "image", "source": source})
    assert full >= bare + 85, "the provider saw the picture"


def pdf(pair: Pair) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    bare, full = with_part(pair, {"type": "document", "source": source, "title": "a.pdf"})
    # The simulated OpenAI counts no files.
    assert full > bare or pair.provider == "openai"


def cache(pair: Pair) -> None:
    long = f"{fresh_key()} {'word ' * 2_000}"
    block = {"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}
    if pair.provider == "openai":
        # Sent all the same: the mark has to be left out.
        with pair.client() as client:
            assert message(pair, client, system=[block]).content
        raise NotTried("the simulated OpenAI caches only with `prompt_cache_key`")
    with pair.client() as client:
        message(pair, client, system=[block])
        usage = message(pair, client, system=[block]).usage
    assert usage.cache_read_input_tokens >= 1_024


def structured(pair: Pair) -> None:
    with pair.client() as client:
        answer = client.messages.parse(**asked(pair), output_format=Forecast)
    assert isinstance(answer.parsed_output, Forecast)


def thinking(pair: Pair) -> None:
    budget = {"type": "enabled", "budget_tokens": 2_048}
    with pair.client() as client:
        answer = message(pair, client, max_tokens=4_000, thinking=budget)
    assert answer.content[-1].text
    # OpenAI keeps its reasoning to itself, but for its tokens.
    shown = answer.content[0].type == "thinking"
    assert shown or answer.usage.output_tokens_details.thinking_tokens > 0


def top_k(pair: Pair) -> None:
    with pair.client() as client:
        assert message(pair, client, extra_body={"top_k": 5}).content


def prefill(pair: Pair) -> None:
    begun = {"role": "assistant", "content": "It is blue because"}
    with pair.client() as client:
        assert message(pair, client, messages=[*ASK, begun]).content


def count_tokens(pair: Pair) -> None:
    few = {"model": pair.model, "messages": ASK}
    many = few | {"messages": [{"role": "user", "content": "word " * 500}], "tools": [TOOL]}
    with pair.client() as client:
        counted = [client.messages.count_tokens(**asked).input_tokens for asked in (few, many)]
        used = message(pair, client, system=anthropic.NOT_GIVEN).usage.input_tokens
    assert abs(counted[0] - used) <= max(8, used // 2) and counted[1] > 400


def request_id(pair: Pair) -> None:
    with pair.client() as client:
        assert message(pair, client)._request_id
    with pair.client(fault="500") as client, pytest.raises(anthropic.APIStatusError) as caught:
        message(pair, client)
    assert caught.value.request_id


def raises(pair: Pair, kind: type, status: int, fault: str | None = None, **more):
    options = more.pop("options", {})
    with pair.client(fault=fault, **options) as client, pytest.raises(kind) as caught:
        message(pair, client, **more)
    error = caught.value
    assert type(error) is kind and error.status_code == status
    assert error.body["type"] == "error" and error.body["error"]["message"]
    return error.body["error"]["type"], error


def bad_request(pair: Pair) -> None:
    # Each provider refuses it itself.
    wrong = {"openai": {"max_tokens": 1_000_000}, "anthropic": {"messages": []}}[pair.provider]
    told, error = raises(pair, anthropic.BadRequestError, 400, **wrong)
    assert told == "invalid_request_error" and "untranslatable" not in str(error)


def too_long(pair: Pair) -> None:
    long = [{"role": "user", "content": "word " * 400_000}]
    _, error = raises(pair, anthropic.BadRequestError, 400, messages=long)
    assert error.body["error"]["message"].startswith("prompt is too long")


def bad_key(pair: Pair) -> None:
    told, _ = raises(pair, anthropic.AuthenticationError, 401, options={"api_key": "sk-invalid"})
    assert told == "authentication_error"


def no_model(pair: Pair) -> None:
    absent = {"openai": "gpt-absent", "anthropic": "claude-absent"}[pair.provider]
    told, _ = raises(pair, anthropic.NotFoundError, 404, model=absent)
    assert told == "not_found_error"


def rate_limit(pair: Pair) -> None:
    told, error = raises(pair, anthropic.RateLimitError, 429, fault="429;times=1")
    assert told == "rate_limit_error"
    assert float(error.response.headers["retry-after"]) > 0


def server_error(pair: Pair) -> None:
    told, _ = raises(pair, anthropic.InternalServerError, 500, fault="500")
    assert told == "api_error"


def overload(pair: Pair) -> None:
    told, _ = raises(pair, anthropic.OverloadedError, 529, fault="503")
    assert told == "overloaded_error"


def stream_error(pair: Pair) -> None:
    with pair.client(fault="error_in_stream;after=5") as client:
        seen = []
        with pytest.raises(anthropic.APIStatusError) as caught:
            for event in message(pair, client, stream=True):
                seen.append(event)
    assert seen and caught.value.body["error"]["message"]


def stream_cut(pair: Pair) -> None:
    with pair.client(fault="cut_stream;after=5") as client:
        seen = []
        with pytest.raises((anthropic.APIError, httpx2.TransportError)):
            for event in message(pair, client, stream=True):
                seen.append(event.type)
    assert seen and "message_stop" not in seen


def timeout(pair: Pair) -> None:
    with pair.client(fault="hang", timeout=0.5) as client:
        with pytest.raises(anthropic.APITimeoutError):
            message(pair, client)


def abort(pair: Pair) -> None:
    with pair.client(fault="slow_drip;ms=3") as client:
        with message(pair, client, stream=True) as told:
            next(iter(told))
    monitor.eventually(simulator_of(pair).in_flight, 0)


def retries(pair: Pair) -> None:
    with pair.client(fault="429;times=1", max_retries=2) as client:
        raw = client.messages.with_raw_response.create(**asked(pair))
    assert raw.retries_taken == 1 and raw.parse().content[0].text


CASES = {
    case.__name__: case
    for case in (
        text, stream, stream_usage, tool_call, tool_stream, tool_result, image, pdf, cache,
        structured, thinking, top_k, prefill, count_tokens, request_id, bad_request, too_long,
        bad_key, no_model, rate_limit, server_error, overload, stream_error, stream_cut, timeout,
        abort, retries,
    )
}  # fmt: skip
# The field that the gateway names when it refuses what OpenAI cannot be told.
REFUSED = {"top_k": "top_k", "prefill": "messages"}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("row", CASES)
def test_anthropic(row: str, provider: str) -> None:
    pair = Pair("anthropic", provider)
    run(row, CASES[row], pair, REFUSED.get(row) if pair.is_translated else None)
