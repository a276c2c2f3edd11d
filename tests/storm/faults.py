"""Faults that strike wires at random: which, where, how badly and for how long is drawn from a seed."""

import random
import threading
from collections import Counter
from types import TracebackType
from typing import NamedTuple, Self

from tests.simulators.benches import Served

#: Instruments whose replies a cable can spoil.
ON_CABLES = (
    *("cadmium_pump", "selenium_pump", "solvent_pump", "selector", "nucleation_heater", "growth_heater"),
    *("spectrometer", "fluorometer", "incident", "transmitted"),
)
#: Instruments on Channel Access and HTTP, which can be cut off only.
ON_NETWORKS = ("sample_stage", "ring", "pilatus", "eiger")
CABLE_FAULTS = ("garble", "cut", "lose", "delay", "duplicate")


class Strike(NamedTuple):
    """One fault: its device, its name, its options, and for how many real seconds it lasts."""

    device: str
    fault: str
    options: dict[str, float]
    lasts_s: float


def strike(draw: random.Random, *, longest_delay_s: float, networks: float) -> Strike:
    """Draw the next.

    Args:
        draw: from this.
        longest_delay_s: of a late reply.
        networks: share of strikes that cut off an instrument on a network.
    """
    lasts_s = draw.uniform(0.3, 2.0)
    if draw.random() < networks:
        return Strike(draw.choice(ON_NETWORKS), "silence", {}, lasts_s / 4)
    fault = draw.choice(CABLE_FAULTS)
    options = {"probability": draw.uniform(0.03, 0.3)}
    if fault == "delay":
        options["delay_s"] = draw.uniform(0.01, longest_delay_s)
    return Strike(draw.choice(ON_CABLES), fault, options, lasts_s)


class Storm:
    """Use as a context: strikes when it is let loose, until it ends, and then clears all.

    Args:
        lab: whose control port is told.
        seed: the same one gives the same strikes in the same order; on which replies they fall is up to the machine.
        at_once: how many faults there are at a time.
        longest_delay_s: of a late reply.
        networks: share of strikes that cut off an instrument on a network.

    Attributes:
        struck: how often, by device and fault.
    """

    def __init__(self, lab: Served, seed: int, *, at_once: int = 5, longest_delay_s: float = 0.6, networks: float = 0):
        self._lab = lab
        self._longest_delay_s = longest_delay_s
        self._networks = networks
        self._ended = False
        self._loose = False
        self._at_work = 0
        self._changed = threading.Condition()
        self._failures: list[Exception] = []
        self.struck: Counter[tuple[str, str]] = Counter()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed} {i}"),), name=f"storm {i}")  # noqa: S311
            for i in range(at_once)
        ]

    def _run(self, draw: random.Random) -> None:
        try:
            while self._wait_until_loose():
                next_one = strike(draw, longest_delay_s=self._longest_delay_s, networks=self._networks)
                told = self._lab.ask(fault=next_one.fault, device=next_one.device, **next_one.options)
                assert told == {"ok": True}, told
                self.struck[next_one.device, next_one.fault] += 1
                with self._changed:
                    self._changed.wait_for(lambda: self._ended or not self._loose, next_one.lasts_s)
                self._lab.ask(fault="none", device=next_one.device)
                with self._changed:
                    self._at_work -= 1
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001  it is raised where the storm ends
            self._failures.append(error)

    def _wait_until_loose(self) -> bool:
        """Whether to strike; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._loose)
            self._at_work += not self._ended
            return not self._ended

    def wait_until_calm(self) -> None:
        """Wait until all is cleared, once it is to strike no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._failures or not self._at_work)

    def let_loose(self, *, loose: bool) -> None:
        """Strike from now on, or clear all and strike no more until told again."""
        with self._changed:
            self._loose = loose
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for failure in self._failures:
            raise failure

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
