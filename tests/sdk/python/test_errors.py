"""Refusals and errors: the same class, the same words, and never tried again without need."""

from __future__ import annotations

import pytest

from monitor import Simulator
from sides import Sides
from test_text import CHAT, REFUSED, RESPONSE


def chat(client):
    return client.chat.completions.create(**CHAT)


def streamed_chat(client):
    return client.chat.completions.create(**CHAT, stream=True)


def streamed_response(client):
    return client.responses.create(**RESPONSE, stream=True)


MISTAKES = {
    "no_messages": lambda client: client.chat.completions.create(model="gpt-4o-mini", messages=[]),
    "messages_of_a_wrong_type": lambda client: client.chat.completions.create(
        model="gpt-4o-mini", messages="hello"
    ),
    "too_many_choices": lambda client: client.chat.completions.create(**CHAT, n=500),
    "too_long_for_the_model": lambda client: client.chat.completions.create(
        **CHAT | {"max_completion_tokens": 1_000_000}
    ),
    "an_unknown_format": lambda client: client.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("a.wav", b"x"), response_format="unheard-of"
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_bad_request_is_answered_in_the_same_words(sides: Sides, mistake: str) -> None:
    outcome = sides.both(MISTAKES[mistake])
    assert outcome.error["raised"] == "BadRequestError"
    assert outcome.error["type"] == "invalid_request_error"


def test_a_wrong_key_is_refused_in_the_same_words(sides: Sides) -> None:
    outcome = sides.both(chat, api_key="sk-invalid")
    assert (outcome.error["raised"], outcome.error["code"]) == (
        "AuthenticationError",
        "invalid_api_key",
    )


def test_an_unknown_model_is_refused_in_the_same_words(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.chat.completions.create(**CHAT | {"model": "model-does-not-exist"})
    )
    assert (outcome.error["raised"], outcome.error["code"]) == ("NotFoundError", "model_not_found")


def test_an_unknown_file_is_refused_in_the_same_words(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.files.retrieve("file-that-is-not-there"))
    assert outcome.error["raised"] == "NotFoundError"


def test_an_unknown_path_is_refused_in_the_same_words(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.post("/no/such/path", body={}, cast_to=object))
    assert outcome.error["raised"] == "NotFoundError"
    assert "Invalid URL" in outcome.error["message"]


@pytest.mark.parametrize(
    ("fault", "status"), [("500", 500), ("502", 502), ("503", 503), ("504", 504)]
)
def test_a_failure_that_lasts_is_passed_on_in_the_providers_words(
    sides: Sides, fault: str, status: int
) -> None:
    outcome = sides.both(chat, fault=fault)
    assert (outcome.error["raised"], outcome.error["status_code"]) == (
        "InternalServerError",
        status,
    )


def test_a_429_that_lasts_is_a_rate_limit_error_on_both_sides(sides: Sides) -> None:
    direct, gateway = sides.each(
        lambda client: client.chat.completions.create(**CHAT | {"model": REFUSED}), fault="429"
    )
    for error in (direct.error, gateway.error):
        assert (error["raised"], error["status_code"]) == ("RateLimitError", 429)
    assert direct.error["code"] == "rate_limit_exceeded"
    # The gateway has tried several times, says so, and quotes the provider.
    assert gateway.error["code"] == "OPENAI_RATE_LIMIT_EXHAUSTED"
    assert direct.error["body"]["message"] in gateway.error["body"]["message"]


@pytest.mark.parametrize("fault", ["insufficient_quota", "429_too_large"])
def test_what_no_waiting_helps_is_passed_on_unchanged_after_one_try(
    sides: Sides, simulator: Simulator, fault: str
) -> None:
    before = simulator.faults(fault)
    outcome = sides.both(chat, fault=fault)
    assert outcome.error["raised"] == "RateLimitError"
    assert simulator.faults(fault) - before == 2, "one try on each side"


def test_an_error_inside_a_streamed_chat_is_raised_alike(sides: Sides) -> None:
    outcome = sides.both(streamed_chat, fault="error_in_stream;after=3")
    assert outcome.error["raised"] == "APIError"
    assert len(outcome.events) == 3


def test_an_error_inside_a_streamed_response_is_told_alike(sides: Sides) -> None:
    outcome = sides.both(streamed_response, fault="error_in_stream;after=5")
    assert outcome.error or outcome.events[-1]["type"] in ("error", "response.failed")
    assert len(outcome.events) >= 5


def test_a_refusal_inside_a_stream_is_waited_out(sides: Sides) -> None:
    direct, gateway = sides.each(
        lambda client: client.responses.create(**RESPONSE | {"model": REFUSED}, stream=True),
        fault="refused_in_stream;times=1",
    )
    assert direct.error or direct.events[-1]["type"] == "response.failed"
    assert gateway.error is None
    assert gateway.events[-1]["type"] in ("response.completed", "response.incomplete")


@pytest.mark.parametrize("call", [streamed_chat, streamed_response])
def test_a_stream_that_is_cut_breaks_off_alike(sides: Sides, call) -> None:
    outcome = sides.both(call, fault="cut_stream;after=8")
    assert outcome.error is not None, "a cut stream must not look complete"
    assert len(outcome.events) == 8


# Events that a stream of each kind opens with before it says anything.
BEFORE_ANY_OUTPUT = [(streamed_chat, 0), (streamed_response, 2)]


@pytest.mark.parametrize(("call", "events"), BEFORE_ANY_OUTPUT)
def test_a_stream_that_is_cut_before_any_output_is_mended(sides: Sides, call, events: int) -> None:
    direct, gateway = sides.each(call, fault=f"cut_stream;after={events};times=1")
    assert direct.error["raised"] == "APIConnectionError"
    assert gateway.error is None
    assert len(gateway.events) > events


@pytest.mark.parametrize(("call", "events"), BEFORE_ANY_OUTPUT)
def test_a_stream_that_is_always_cut_before_any_output_never_looks_complete(
    sides: Sides, call, events: int
) -> None:
    direct, gateway = sides.each(call, fault=f"cut_stream;after={events}")
    assert direct.error["raised"] == "APIConnectionError"
    assert gateway.error is not None


def test_truncated_json_is_raised_alike(sides: Sides) -> None:
    outcome = sides.both(chat, fault="truncated_json")
    assert outcome.error is not None


def test_a_stream_that_ends_in_order_without_its_end_never_looks_complete(sides: Sides) -> None:
    direct, gateway = sides.each(streamed_chat, fault="truncated_json")
    assert direct.events
    assert gateway.error is not None


@pytest.mark.parametrize("fault", ["reset", "garbage", "cut_body"])
def test_a_broken_connection_is_mended_by_the_gateway(sides: Sides, fault: str) -> None:
    direct, gateway = sides.each(chat, fault=f"{fault};times=1")
    assert direct.error["raised"] == "APIConnectionError"
    assert gateway.error is None
    assert gateway.value["choices"][0]["message"]["content"]


@pytest.mark.parametrize("fault", ["reset", "garbage", "cut_body"])
def test_a_connection_that_keeps_breaking_is_told_as_a_bad_gateway(
    sides: Sides, fault: str
) -> None:
    direct, gateway = sides.each(chat, fault=fault)
    assert direct.error["raised"] == "APIConnectionError"
    assert (gateway.error["raised"], gateway.error["status_code"]) == ("InternalServerError", 502)
    assert gateway.error["code"] == "upstream_cut"
