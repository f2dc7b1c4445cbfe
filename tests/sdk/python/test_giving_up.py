"""Callers that give up: nothing of them stays in the queue, on the wire or in the books."""

from __future__ import annotations

import asyncio
import os

import pytest

from monitor import NOTHING, Gateway, Simulator, eventually
from sides import SIDES, Client, Sides, each_of, fresh_key, given
from test_text import CHAT

# The gateway is configured to send one request at a time for this model and each key.
ONE_AT_A_TIME = CHAT | {"model": "gpt-4.1-one-at-a-time"}


def gateway_client(**options) -> Client:
    return Client("async", os.environ[SIDES["gateway"]], **options)


async def sees(look, expected) -> None:
    """Polls beside the calls that are under way."""
    await asyncio.to_thread(eventually, look, expected)


async def cancelled(*calls: asyncio.Task) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_timeout_is_raised_alike_and_leaves_nothing_reserved(
    sides: Sides, gateway: Gateway, simulator: Simulator, stream: bool
) -> None:
    before, reserved = simulator.faults("hang"), gateway.reserved()
    outcome = sides.both(
        lambda client: client.chat.completions.create(**CHAT, stream=stream),
        fault="hang",
        timeout=0.5,
    )
    assert outcome.error["raised"] == "APITimeoutError"
    assert simulator.faults("hang") - before == 2, "both sides reached the provider"
    assert gateway.reserved() > reserved
    eventually(gateway.unsettled, NOTHING)


def test_a_caller_that_stops_waiting_leaves_the_queue(
    gateway: Gateway, simulator: Simulator
) -> None:
    def waiting() -> int:
        return gateway.queue()["waiting"]

    async def scene() -> None:
        key = fresh_key()
        async with (
            gateway_client(fault="hang", api_key=key) as slow,
            gateway_client(api_key=key) as quick,
        ):
            received = simulator.counters()["received"]
            running = asyncio.ensure_future(slow.chat.completions.create(**ONE_AT_A_TIME))
            await sees(lambda: gateway.unsettled()["in_flight"], 1)
            queue = [
                asyncio.ensure_future(quick.chat.completions.create(**ONE_AT_A_TIME))
                for _ in range(5)
            ]
            await sees(waiting, 5)
            calls = gateway.queue()["calls"]
            assert [call["position"] for call in calls] == [1, 2, 3, 4, 5]
            assert {call["model"] for call in calls} == {ONE_AT_A_TIME["model"]}
            await cancelled(*queue[1:4])
            await sees(waiting, 2)
            await cancelled(running)
            answers = await asyncio.gather(queue[0], queue[4])
            assert all(answer.choices for answer in answers)
            # Those that gave up in time were never sent: they cost nothing.
            assert simulator.counters()["received"] - received == 3

    asyncio.run(scene())
    eventually(gateway.unsettled, NOTHING)


def test_a_caller_that_leaves_a_stream_frees_the_providers_side_too(
    sides: Sides, gateway: Gateway, simulator: Simulator
) -> None:
    async def leave(client):
        stream = await given(client.chat.completions.create(**CHAT, stream=True))
        async for event in each_of(stream):
            seen = await asyncio.to_thread(gateway.unsettled)
            await given(stream.close())
            return {"first": event, "in_flight": seen["in_flight"]}
        return None

    # A byte every 3 ms: the stream would go on for many seconds.
    gone = sides.on("gateway", leave, fault="slow_drip;ms=3")
    assert gone.value["in_flight"] == 1
    assert gone.value["first"]["choices"]
    eventually(gateway.unsettled, NOTHING)
    eventually(simulator.in_flight, 0)
