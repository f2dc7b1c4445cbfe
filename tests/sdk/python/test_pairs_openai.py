"""OpenAI's SDK against providers of both dialects, through one gateway."""

from __future__ import annotations

import httpx2
import openai
import pytest
from pydantic import BaseModel

import monitor
from pairs import PDF, PIXEL, SCHEMA, Pair, run, simulator_of
from sides import fresh_key

ASK = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "Why is the sky blue? Grüße, 世界."},
]
FUNCTION = {"name": "forecast", "description": "The weather at a place.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
RESPONSES_TOOL = {"type": "function", "strict": True} | FUNCTION


class Forecast(BaseModel):
    """What the structured answer is read as."""

    place: str
    days: int


def chat(pair: Pair, client: openai.OpenAI, **more):
    asked = {"model": pair.model, "messages": ASK, "max_completion_tokens": 60} | more
    return client.chat.completions.create(**asked)


def text(pair: Pair) -> None:
    with pair.client() as client:
        answer = chat(pair, client)
        again = chat(pair, client)
    [choice] = answer.choices
    assert choice.message.content and choice.message.role == "assistant"
    assert choice.finish_reason in ("stop", "length")
    assert (answer.object, answer.model) == ("chat.completion", pair.model)
    assert 10 < answer.usage.prompt_tokens < 60 and answer.usage.completion_tokens > 0
    total = answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.total_tokens == total
    assert again.choices[0].message.content == choice.message.content


def stream(pair: Pair) -> None:
    with pair.client() as client:
        whole = chat(pair, client)
        chunks = list(chat(pair, client, stream=True))
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert not any(chunk.usage for chunk in chunks), "nobody asked for the usage"


def stream_usage(pair: Pair) -> None:
    with pair.client() as client:
        whole = chat(pair, client)
        told = chat(pair, client, stream=True, stream_options={"include_usage": True})
        *_, last = list(told)
    assert last.choices == []
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert getattr(last.usage, name) == getattr(whole.usage, name), name


def tool_call(pair: Pair) -> None:
    with pair.client() as client:
        answer = chat(pair, client, tools=[TOOL], tool_choice="required")
    [choice] = answer.choices
    [call] = choice.message.tool_calls
    assert (choice.finish_reason, call.type) == ("tool_calls", "function")
    assert call.function.name == "forecast" and call.id
    Forecast.model_validate_json(call.function.arguments)


def tool_stream(pair: Pair) -> None:
    asked = {"tools": [TOOL], "tool_choice": "required"}
    with pair.client() as client:
        whole = chat(pair, client, **asked).choices[0].message.tool_calls[0]
        chunks = list(chat(pair, client, stream=True, **asked))
        with client.chat.completions.stream(
            model=pair.model, messages=ASK, max_completion_tokens=60, **asked
        ) as helper:
            final = helper.get_final_completion().choices[0]
    pieces = [call for c in chunks for call in c.choices[0].delta.tool_calls or []]
    assert (pieces[0].id, pieces[0].function.name) == (whole.id, "forecast")
    assert len(pieces) > 2, "the arguments come in pieces"
    joined = "".join(piece.function.arguments or "" for piece in pieces)
    assert joined == whole.function.arguments == final.message.tool_calls[0].function.arguments
    assert final.finish_reason == "tool_calls"


def tool_result(pair: Pair) -> None:
    with pair.client() as client:
        said = chat(pair, client, tools=[TOOL], tool_choice="required").choices[0].message
        result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Rain."}
        answer = chat(pair, client, tools=[TOOL], messages=[*ASK, said, result])
    assert answer.choices[0].message.content


def with_part(pair: Pair, part: dict) -> tuple[int, int]:
    """Tokens of a prompt without a part and with it."""
    parts = [{"type": "text", "text": "What is this?"}]
    with pair.client() as client:
        bare = chat(pair, client, messages=[{"role": "user", "content": parts}])
        full = chat(pair, client, messages=[{"role": "user", "content": [*parts, part]}])
    assert full.choices[0].message.content
    return bare.usage.prompt_tokens, full.usage.prompt_tokens


def image(pair: Pair) -> None:
    url = {"url": f"data:image/png;base64,{PIXEL}"}
    bare, full = with_part(pair, {"type": "image_url", "image_url": url})
    assert full >= bare + 85, "the provider saw the picture"


def pdf(pair: Pair) -> None:
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}
    bare, full = with_part(pair, {"type": "file", "file": file})
    # The simulated OpenAI counts no files.
    assert full > bare or pair.provider == "openai"


def cache(pair: Pair) -> None:
    long = f"{fresh_key()} {'word ' * 2_000}"
    part = {"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}
    asked = {"messages": [{"role": "system", "content": [part]}, ASK[1]]}
    if pair.provider == "openai":
        del part["cache_control"]
        asked["prompt_cache_key"] = "conversation"
    with pair.client() as client:
        chat(pair, client, **asked)
        usage = chat(pair, client, **asked).usage
    assert 1_024 <= usage.prompt_tokens_details.cached_tokens < usage.prompt_tokens


def structured(pair: Pair) -> None:
    with pair.client() as client:
        answer = client.chat.completions.parse(
            model=pair.model, messages=ASK, max_completion_tokens=60, response_format=Forecast
        )
    assert isinstance(answer.choices[0].message.parsed, Forecast)


def json_mode(pair: Pair) -> None:
    with pair.client() as client:
        assert chat(pair, client, response_format={"type": "json_object"}).choices


def choices(pair: Pair) -> None:
    with pair.client() as client:
        assert len(chat(pair, client, n=2).choices) == 2


def logprobs(pair: Pair) -> None:
    with pair.client() as client:
        assert chat(pair, client, logprobs=True).choices


def effort(pair: Pair) -> None:
    with pair.client() as client:
        asked = {"reasoning_effort": "low", "max_completion_tokens": 4_000}
        usage = chat(pair, client, **asked).usage
    assert usage.completion_tokens_details.reasoning_tokens > 0


def respond(pair: Pair, client: openai.OpenAI, **more):
    asked = {
        "model": pair.model,
        "instructions": "You answer in one sentence.",
        "input": "Name three rivers.",
        "max_output_tokens": 40,
        "store": False,
    }
    return client.responses.create(**asked | more)


def responses(pair: Pair) -> None:
    with pair.client() as client:
        answer = respond(pair, client)
    assert answer.output_text and answer.model == pair.model
    assert answer.status in ("completed", "incomplete") and answer.id.startswith("resp_")
    usage = answer.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > usage.input_tokens > 0


def responses_stream(pair: Pair) -> None:
    with pair.client() as client:
        whole = respond(pair, client)
        events = list(respond(pair, client, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] in ("response.completed", "response.incomplete")
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert said == whole.output_text == events[-1].response.output_text
    assert events[-1].response.usage.output_tokens == whole.usage.output_tokens
    assert [event.sequence_number for event in events] == list(range(len(events)))


def responses_tools(pair: Pair) -> None:
    asked = {"tools": [RESPONSES_TOOL]}
    with pair.client() as client:
        first = respond(pair, client, tool_choice="required", **asked)
        [call] = [item for item in first.output if item.type == "function_call"]
        Forecast.model_validate_json(call.arguments)
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
        question = {"role": "user", "content": "How is the weather?"}
        answer = respond(pair, client, input=[question, *first.output, result], **asked)
    assert call.name == "forecast" and answer.output_text


def responses_tool_stream(pair: Pair) -> None:
    asked = {"tools": [RESPONSES_TOOL], "tool_choice": "required"}
    with pair.client() as client:
        events = list(respond(pair, client, stream=True, **asked))
    pieces = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    [done] = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert len(pieces) > 1 and "".join(pieces) == done.arguments
    assert events[-1].response.output[-1].arguments == done.arguments
    Forecast.model_validate_json(done.arguments)


def responses_kept(pair: Pair) -> None:
    with pair.client() as client:
        first = respond(pair, client, store=True) if pair.provider == "openai" else None
        before = first.id if first else "resp_1"
        assert respond(pair, client, previous_response_id=before).output_text


def request_id(pair: Pair) -> None:
    with pair.client() as client:
        assert chat(pair, client)._request_id
    with pair.client(fault="500") as client, pytest.raises(openai.APIStatusError) as caught:
        chat(pair, client)
    assert caught.value.request_id


def raises(pair: Pair, kind: type, status: int, fault: str | None = None, **more):
    options = more.pop("options", {})
    with pair.client(fault=fault, **options) as client, pytest.raises(kind) as caught:
        chat(pair, client, **more)
    error = caught.value
    assert type(error) is kind and error.status_code == status
    assert error.body["message"] and error.type, "in OpenAI's envelope"
    return error


def bad_request(pair: Pair) -> None:
    # Anthropic takes four marks at most, OpenAI gives 128 answers at most.
    mark = {"type": "text", "text": "word", "cache_control": {"type": "ephemeral"}}
    wrong = {
        "openai": {"n": 500},
        "anthropic": {"messages": [{"role": "user", "content": [mark] * 5}]},
    }
    error = raises(pair, openai.BadRequestError, 400, **wrong[pair.provider])
    assert error.request_id
    assert error.type == "invalid_request_error"
    assert error.code != "untranslatable", "the provider refuses it, not the gateway"


def too_long(pair: Pair) -> None:
    long = [{"role": "user", "content": "word " * 400_000}]
    error = raises(pair, openai.BadRequestError, 400, messages=long)
    assert error.code == "context_length_exceeded"


def bad_key(pair: Pair) -> None:
    error = raises(pair, openai.AuthenticationError, 401, options={"api_key": "sk-invalid"})
    assert error.code == "invalid_api_key"


def no_model(pair: Pair) -> None:
    absent = {"openai": "gpt-absent", "anthropic": "claude-absent"}[pair.provider]
    error = raises(pair, openai.NotFoundError, 404, model=absent)
    assert error.code == "model_not_found"


def rate_limit(pair: Pair) -> None:
    error = raises(pair, openai.RateLimitError, 429, fault="429;times=1")
    assert error.code == "rate_limit_exceeded"
    assert float(error.response.headers["retry-after"]) > 0


def server_error(pair: Pair) -> None:
    error = raises(pair, openai.InternalServerError, 500, fault="500")
    assert error.type == "server_error"


def overload(pair: Pair) -> None:
    raises(pair, openai.InternalServerError, 503, fault="503")


def stream_error(pair: Pair) -> None:
    with pair.client(fault="error_in_stream;after=5") as client:
        seen = []
        with pytest.raises(openai.APIError) as caught:
            for chunk in chat(pair, client, stream=True):
                seen.append(chunk)
    assert seen and caught.value.body["message"]


def stream_cut(pair: Pair) -> None:
    with pair.client(fault="cut_stream;after=5") as client:
        seen = []
        with pytest.raises((openai.APIError, httpx2.TransportError)):
            for chunk in chat(pair, client, stream=True):
                seen.append(chunk)
    assert seen and not seen[-1].choices[0].finish_reason


def timeout(pair: Pair) -> None:
    with pair.client(fault="hang", timeout=0.5) as client:
        with pytest.raises(openai.APITimeoutError):
            chat(pair, client)


def abort(pair: Pair) -> None:
    with pair.client(fault="slow_drip;ms=3") as client:
        with chat(pair, client, stream=True) as told:
            next(iter(told))
    monitor.eventually(simulator_of(pair).in_flight, 0)


def retries(pair: Pair) -> None:
    with pair.client(fault="429;times=1", max_retries=2) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=pair.model, messages=ASK, max_completion_tokens=60
        )
    assert raw.retries_taken == 1 and raw.parse().choices[0].message.content


CASES = {
    case.__name__: case
    for case in (
        text, stream, stream_usage, tool_call, tool_stream, tool_result, image, pdf, cache,
        structured, json_mode, choices, logprobs, effort, responses, responses_stream,
        responses_tools, responses_tool_stream, responses_kept, request_id, bad_request, too_long,
        bad_key, no_model, rate_limit, server_error, overload, stream_error, stream_cut, timeout,
        abort, retries,
    )
}  # fmt: skip
# The field that the gateway names when it refuses what Anthropic cannot be told.
REFUSED = {
    "json_mode": "response_format",
    "choices": "n",
    "logprobs": "logprobs",
    "responses_kept": "previous_response_id",
}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("row", CASES)
def test_openai(row: str, provider: str) -> None:
    pair = Pair("openai", provider)
    run(row, CASES[row], pair, REFUSED.get(row) if pair.is_translated else None)
