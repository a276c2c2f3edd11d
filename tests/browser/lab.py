"""The simulated lab under ``flowlab up``, with somebody who may operate it, and what it wrote down."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.tokens import Role, Tokens
from flowlab.stream import RunStore, StoredRun, read_journal
from tests.daemons import Daemon, daemon
from tests.instruments import UV_VIS

#: Plant seconds per second: so few that no plan ends by itself while somebody looks.
SLOW = 60
SCAN = {
    "nucleation_c": [200.0],
    "growth_offsets_c": [0.0, -10.0, -20.0, -30.0],
    "residence_time_s": 60.0,
    "blank_c": None,
}
_GAUGES = """
[gauges]
cadmium = { place = "feed", label = "cadmium", device = "cadmium_pump", signal = "rate_ml_min" }
selenium = { place = "feed", label = "selenium", device = "selenium_pump", signal = "rate_ml_min" }
nucleation = { place = "nucleation", label = "nucleation", device = "nucleation_heater", signal = "temperature_c" }
growth = { place = "growth", label = "growth", device = "growth_heater", signal = "temperature_c" }
"""


class Lab:
    """What the tests of the page look at, past the page.

    Attributes:
        daemon: that runs.
        token: an operator's.
    """

    def __init__(self, running: Daemon):
        self.daemon = running
        self.token = Tokens(StateFolder(running.state).tokens).new("anna", Role.OPERATOR, None)

    @property
    def url(self) -> str:
        """Of the page."""
        return self.daemon.until(lambda facts: facts["addresses"]["http"])["addresses"]["http"]

    def begin(self, plan: str, **parameters: Any) -> str:
        """Have a plan run; the item's uid, once its run has begun."""
        uid = self.daemon.add(plan, **parameters)
        self.daemon.ask("queue_start")
        self.daemon.until(lambda facts: facts["running"] and facts["running"]["run_uid"])
        return uid

    def rest(self) -> None:
        """See to it that nothing runs, nothing is queued, all is safe; whatever a test before left behind."""
        ask = self.daemon.ask
        facts = self.daemon.until_state("idle", "running", "paused", "interrupted")
        if facts["state"] == "interrupted":
            ask("flowlab_queue_ack", {"uid": re.search(r"flowlab queue ack (\S+)", facts["why"])[1]})
        elif facts["state"] != "idle":
            ask("re_abort")
        self.daemon.until(lambda facts: facts["state"] == "idle" and facts["environment"] == "open" and facts["safe"])
        ask("queue_clear")

    @property
    def newest(self) -> StoredRun:
        """The newest run."""
        store = RunStore(StateFolder(self.daemon.state).runs)
        return StoredRun(max(path.parent for path in store.journals()))

    def results(self, stream: str) -> list[dict[str, Any]]:
        """Data of the events in a stream of the newest run's analysis."""
        return _data(self.newest.results, stream)

    def documents(self, stream: str) -> list[dict[str, Any]]:
        """Data of the events in a stream of the newest run itself."""
        return _data(self.newest.journal, stream)

    def configured(self, stream: str, device: str, key: str) -> Any:
        """What a device of the newest run was configured to."""
        descriptors = [m.doc for m in read_journal(self.newest.journal) if m.name == "descriptor"]
        (found,) = [doc for doc in descriptors if doc["name"] == stream]
        return found["configuration"][device]["data"][key]


def _data(journal: Path, stream: str) -> list[dict[str, Any]]:
    messages = list(read_journal(journal))
    described = {m.doc["uid"] for m in messages if m.name == "descriptor" and m.doc["name"] == stream}
    return [m.doc["data"] for m in messages if m.name == "event" and m.doc["descriptor"] in described]


def with_gauges(file: Path) -> Path:
    """Write the file of the UV-vis lab, with gauges for what is hot and what flows."""
    file.write_text(Path(UV_VIS).read_text("utf-8") + _GAUGES, "utf-8")
    return file


@contextlib.contextmanager
def slow_lab(folder: Path, more: str = "") -> Iterator[Lab]:
    """The UV-vis lab, with gauges and more tables, to be operated: what runs goes on while somebody looks."""
    file = with_gauges(folder / "lab.toml")
    file.write_text(file.read_text("utf-8") + more, "utf-8")
    with lab(folder, "-c", str(file), "--speed", str(SLOW)) as one:
        yield one


@contextlib.contextmanager
def lab(folder: Path, *options: str) -> Iterator[Lab]:
    """A daemon with a state folder in ``folder``, ended afterwards."""
    with daemon(folder / "state", *options) as running:
        running.until(lambda facts: facts["environment"] == "open")
        yield Lab(running)
