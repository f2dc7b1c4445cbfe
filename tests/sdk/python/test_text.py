"""Chat completions, completions and responses, whole and streamed."""

from __future__ import annotations

from sides import Sides, given

CHAT = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "You answer in one sentence."},
        {"role": "user", "content": "Why is the sky blue? Grüße, 世界."},
    ],
    "max_completion_tokens": 60,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place.",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["place"],
        },
    },
}
# For this model the gateway is configured to know how the provider keeps its limits.
REFUSED = "gpt-4.1-refused"
RESPONSE = {"model": "gpt-4.1-mini", "input": "Name three rivers.", "max_output_tokens": 40}


def test_a_chat_completion_is_the_same(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.chat.completions.create(**CHAT))
    assert outcome.value["choices"][0]["message"]["content"]
    assert outcome.value["usage"]["total_tokens"] > 0


def test_a_tool_call_is_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.chat.completions.create(
            **CHAT, tools=[WEATHER], tool_choice="required"
        )
    )
    call = outcome.value["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "get_weather"


def test_a_streamed_tool_call_is_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.chat.completions.create(
            **CHAT, tools=[WEATHER], tool_choice="required", stream=True
        )
    )
    first = outcome.events[0]["choices"][0]["delta"]
    assert first["tool_calls"][0]["function"]["name"] == "get_weather"


def test_two_choices_are_the_same(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.chat.completions.create(**CHAT, n=2))
    assert [choice["index"] for choice in outcome.value["choices"]] == [0, 1]


def test_a_stream_that_asks_for_no_usage_shows_none(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.chat.completions.create(**CHAT, stream=True))
    assert len(outcome.events) > 2
    assert not any(event.get("usage") for event in outcome.events)
    assert all(event["choices"] for event in outcome.events)


def test_a_stream_that_refuses_usage_shows_none(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.chat.completions.create(
            **CHAT, stream=True, stream_options={"include_usage": False}
        )
    )
    assert not any(event.get("usage") for event in outcome.events)


def test_a_stream_that_asks_for_usage_shows_it_once(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.chat.completions.create(
            **CHAT, stream=True, stream_options={"include_usage": True}
        )
    )
    told = [event for event in outcome.events if event.get("usage")]
    assert told == outcome.events[-1:]
    assert told[0]["choices"] == []


def test_a_streamed_chat_of_two_choices_is_the_same(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.chat.completions.create(**CHAT, n=2, stream=True))
    assert {event["choices"][0]["index"] for event in outcome.events} == {0, 1}


def test_the_streaming_helper_gives_the_same_snapshot(sides: Sides) -> None:
    async def snapshot(client):
        manager = client.chat.completions.stream(**CHAT)
        if hasattr(manager, "__aenter__"):
            async with manager as stream:
                return await stream.get_final_completion()
        with manager as stream:
            return stream.get_final_completion()

    outcome = sides.both(snapshot)
    assert outcome.value["choices"][0]["message"]["content"]


def test_a_completion_is_the_same(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.completions.create(
            model="gpt-4o-mini", prompt="Once upon a", max_tokens=20
        )
    )
    assert outcome.value["choices"][0]["text"]


def test_a_streamed_completion_shows_no_usage_that_was_not_asked_for(sides: Sides) -> None:
    outcome = sides.both(
        lambda client: client.completions.create(
            model="gpt-4o-mini", prompt=["Once", "Twice"], max_tokens=20, stream=True
        )
    )
    assert not any(event.get("usage") for event in outcome.events)
    assert {event["choices"][0]["index"] for event in outcome.events} == {0, 1}


def test_a_response_is_the_same(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.responses.create(**RESPONSE))
    assert outcome.value["output"][0]["content"][0]["text"]
    assert outcome.value["usage"]["input_tokens"] > 0


def test_a_response_can_be_fetched_and_deleted(sides: Sides) -> None:
    async def keep_and_forget(client):
        made = await given(client.responses.create(**RESPONSE, instructions="Be brief."))
        fetched = await given(client.responses.retrieve(made.id))
        await given(client.responses.delete(made.id))
        return {"made": made, "fetched": fetched}

    outcome = sides.both(keep_and_forget)
    assert outcome.value["made"] == outcome.value["fetched"]


def test_a_streamed_response_has_the_same_events_in_order(sides: Sides) -> None:
    outcome = sides.both(lambda client: client.responses.create(**RESPONSE, stream=True))
    kinds = [event["type"] for event in outcome.events]
    assert kinds[0] == "response.created"
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert [event["sequence_number"] for event in outcome.events] == list(range(len(kinds)))
