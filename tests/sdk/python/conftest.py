"""What every case is given, and what must be true after every case."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import monitor
from sides import Sides


@pytest.fixture(params=["sync", "async"])
def sides(request: pytest.FixtureRequest) -> Sides:
    """Both sides, once with the client that blocks and once with the one that does not."""
    return Sides(request.param)


@pytest.fixture
def simulator() -> monitor.Simulator:
    """The provider behind the gateway."""
    return monitor.simulator()


@pytest.fixture
def gateway() -> monitor.Gateway:
    """The gateway's own view of what it does."""
    return monitor.gateway()


@pytest.fixture(autouse=True)
def everything_is_settled() -> Iterator[None]:
    """Whatever happened to a call, nothing of it is left behind on either side."""
    yield
    monitor.eventually(monitor.gateway().unsettled, monitor.NOTHING)
    monitor.eventually(monitor.simulator().in_flight, 0)
