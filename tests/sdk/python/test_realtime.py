"""Realtime sessions over a WebSocket."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from sides import Sides, each_of, given

QUESTION = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "Which river is the longest?"}],
}
# The amount left depends on what was used before.
VOLATILE = ("remaining", "reset_seconds")


async def converse(connection, turns: int) -> list:
    """Asks as often as said and returns all events."""
    events = []
    remaining = turns
    async for event in each_of(connection):
        events.append(event)
        if event.type in ("session.created", "response.done"):
            if remaining == 0:
                return events
            remaining -= 1
            await given(connection.conversation.item.create(item=QUESTION))
            await given(connection.response.create(response={"max_output_tokens": 12}))
    return events


async def session(client, model: str, turns: int) -> list:
    manager = client.realtime.connect(model=model)
    if hasattr(manager, "__aenter__"):
        async with manager as connection:
            return await converse(connection, turns)
    with manager as connection:
        return await converse(connection, turns)


def test_a_session_has_the_same_events_in_order(sides: Sides) -> None:
    outcome = sides.both(lambda client: session(client, "gpt-realtime", 2), ignore=VOLATILE)
    kinds = [event["type"] for event in outcome.value]
    assert kinds[0] == "session.created"
    assert kinds[-1] == "response.done"
    assert kinds.count("response.done") == 2
    assert outcome.value[-1]["response"]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("key", "model"), [("sk-invalid", "gpt-realtime"), (None, "model-does-not-exist")]
)
def test_a_session_that_is_refused_is_refused_alike(
    sides: Sides, key: str | None, model: str
) -> None:
    async def refused(client):
        try:
            await session(client, model, 0)
        except InvalidStatus as error:
            return {"status": error.response.status_code, "body": error.response.body.decode()}

    options = {} if key is None else {"api_key": key}
    outcome = sides.both(refused, **options)
    assert outcome.value["status"] in (401, 404)
    assert "error" in outcome.value["body"]
