"""What the gateway is for: more calls at once than the provider allows, and none refused."""

from __future__ import annotations

import asyncio
import os

import openai
import pytest

import monitor
from sides import Client
from test_text import CHAT

CALLS = 40


@pytest.fixture
def strict_simulator() -> monitor.Simulator:
    """A provider that allows few requests, with nothing used yet."""
    simulator = monitor.Simulator(os.environ["STRICT_SIMULATOR_URL"])
    simulator.reset()
    return simulator


def burst(base_url: str) -> list:
    """The answers, or exceptions, of many calls at once that never retry."""

    async def calls() -> list:
        async with Client("async", base_url) as client:
            different = [
                CHAT | {"messages": [{"role": "user", "content": f"Question {number}"}]}
                for number in range(CALLS)
            ]
            return await asyncio.gather(
                *(client.chat.completions.with_raw_response.create(**call) for call in different),
                return_exceptions=True,
            )

    return asyncio.run(calls())


def test_straight_to_the_provider_some_calls_are_refused(
    strict_simulator: monitor.Simulator,
) -> None:
    refused = [
        answer
        for answer in burst(os.environ["STRICT_DIRECT_BASE_URL"])
        if isinstance(answer, Exception)
    ]
    assert refused
    assert all(isinstance(error, openai.RateLimitError) for error in refused)
    assert strict_simulator.refused() == len(refused)


# A gateway that learns keeps less free than one that was told, because it measures how much delays
# vary: on a machine that stalls, a call may meet a limit of one second and go again.
@pytest.mark.parametrize(("gateway", "refused_max"), [("CONFIGURED", 0), ("LEARNING", 2)])
def test_through_the_gateway_every_call_is_answered_and_hardly_one_refused(
    strict_simulator: monitor.Simulator, gateway: str, refused_max: int
) -> None:
    answers = burst(os.environ[f"{gateway}_BASE_URL"])
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    assert errors == []
    assert strict_simulator.refused() <= refused_max
    assert strict_simulator.counters()["served"] == CALLS
    texts = {answer.parse().choices[0].message.content for answer in answers}
    assert len(texts) > CALLS / 2, "every call got an answer of its own"
    waits = [int(answer.headers["x-paceline-wait-ms"]) for answer in answers]
    assert max(waits) > 0
    assert all(
        answer.headers["x-paceline-limited-by"]
        for answer, wait in zip(answers, waits, strict=True)
        if wait
    )
