"""The simulated lab under ``flowlab up``, with somebody who may operate it, and what it wrote down."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.tokens import Role, Tokens
from flowlab.stream import RunStore, StoredRun, read_journal
from tests.daemons import Daemon, daemon
from tests.instruments import UV_VIS

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
def lab(folder: Path, *options: str) -> Iterator[Lab]:
    """A daemon with a state folder in ``folder``, ended afterwards."""
    with daemon(folder / "state", *options) as running:
        running.until(lambda facts: facts["environment"] == "open")
        yield Lab(running)
