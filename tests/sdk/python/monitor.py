"""Looks at the simulator and at the gateway from outside, through their own control paths."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

HTTP = httpx2.Client(trust_env=False)


@dataclass
class Simulator:
    """The control paths of the simulated provider."""

    url: str

    def state(self) -> dict[str, Any]:
        return _json(HTTP.get(f"{self.url}/_simulator/state"))

    def counters(self) -> dict[str, Any]:
        return self.state()["counters"]

    def in_flight(self) -> int:
        return sum(pool["in_flight"] for pool in self.state()["pools"])

    def faults(self, name: str) -> int:
        return self.counters()["faults"].get(name, 0)

    def refused(self) -> int:
        return sum(self.counters()["refused"].values())

    def reset(self) -> None:
        _json(HTTP.post(f"{self.url}/_simulator/reset"))


@dataclass
class Gateway:
    """The admin plane of the gateway."""

    url: str
    token: str

    def pools(self) -> list[dict[str, Any]]:
        return self._ask("/monitoring/rate-limits")["pools"]

    def queue(self) -> dict[str, Any]:
        return self._ask("/monitoring/queue-status")

    def unsettled(self) -> dict[str, int]:
        """What is not over yet: tokens reserved, requests under way and requests waiting."""
        pools = self.pools()
        return {
            "outstanding": sum(pool["tokens"]["outstanding"] for pool in pools),
            "in_flight": sum(pool["in_flight"] for pool in pools),
            "waiting": sum(pool["waiting"] for pool in pools),
        }

    def reserved(self) -> int:
        """All tokens ever reserved."""
        return sum(pool["tokens"]["reserved"] for pool in self.pools())

    def _ask(self, path: str) -> dict[str, Any]:
        return _json(HTTP.get(self.url + path, headers={"authorization": f"Bearer {self.token}"}))


NOTHING = {"outstanding": 0, "in_flight": 0, "waiting": 0}


def simulator() -> Simulator:
    """The provider behind the gateway."""
    return Simulator(os.environ["SIMULATOR_URL"])


def gateway() -> Gateway:
    """The gateway."""
    return Gateway(os.environ["GATEWAY_ADMIN_URL"], os.environ["GATEWAY_ADMIN_TOKEN"])


def eventually(look: Callable[[], Any], expected: Any, within_s: float = 5.0) -> None:
    """Looks until it sees what is expected."""
    end = time.monotonic() + within_s
    while (seen := look()) != expected:
        assert time.monotonic() < end, f"after {within_s} s still {seen}, expected {expected}"
        time.sleep(0.01)


def _json(response: httpx2.Response) -> Any:
    response.raise_for_status()
    return response.json()
