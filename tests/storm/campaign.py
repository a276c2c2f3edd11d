"""Runs one after the other on the whole simulated lab while faults strike, until so many replies are spoilt."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flowlab.config.paths import find_config
from flowlab.daemon.latches import Latches
from flowlab.daemon.session import Session
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import ChildFailedError
from flowlab.stream import Message, read_journal
from tests.simulators.benches import Served
from tests.storm import scan
from tests.storm.audit import Audit, audit
from tests.storm.faults import ON_CABLES, Storm
from tests.storm.ledger import Ledger

#: Of one attempt at a question; what is lost costs this much time, so that it is short here.
REPLY_WITHIN_S = 0.2
TEMPERATURES_C = [40.0, 45.0, 42.0, 50.0, 46.0, 55.0]
RESIDENCE_TIMES_S = [14.0, 10.0, 12.0, 8.0, 11.0, 9.0]
_OPTIONS = {"temperatures_c": TEMPERATURES_C, "residence_times_s": RESIDENCE_TIMES_S}
_NONE_OF_OURS = ("UnforeseenError", "")


@dataclass
class Findings:
    """What came of a campaign.

    Attributes:
        audit: of all values that were recorded.
        spoilt: replies, by device and fault.
        struck: strikes, by device and fault.
        runs: how many were begun.
        completed: how many ended as if nothing had been.
        ended: the others, by the class of the error that ended them.
        foreign: errors that are none of ours, in words.
        messages: of all errors, in words.
        unsafe: those that left an instrument that could not be made safe on its bad wire.
    """

    audit: Audit = field(default_factory=Audit)
    spoilt: dict[str, Counter[str]] = field(default_factory=dict)
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    runs: int = 0
    completed: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)

    @property
    def spoilt_replies(self) -> int:
        """All of them."""
        return sum(kinds.total() for kinds in self.spoilt.values())


def lab_file(path: Path, *, reply_within_s: float = REPLY_WITHIN_S) -> Path:
    """The shipped lab with the plan that uses all of it, bottles that do not run dry, and short time limits."""
    text = find_config("instruments", "simulated-flow").read_text(encoding="utf-8")
    text = text.replace("reservoir_ml = 1000.0", "reservoir_ml = 1000000.0")
    for device in ON_CABLES:
        table = f"[devices.{device}.settings]\n"
        assert text.count(table) == 1, device
        text = text.replace(table, f"{table}reply_within_s = {reply_within_s}\n")
    devices = ", ".join(f'{name} = "{name}"' for name in scan.DEVICES)
    text += f'\n[plans.everything]\nfunction = "tests.storm.scan:everything"\ndevices = {{ {devices} }}\n'
    path.write_text(text, encoding="utf-8")
    return path


def campaign(
    folder: Path,
    wanted: int,
    seed: int,
    *,
    points: int = 6,
    speed: float = 100.0,
    networks: float = 0.03,
    tell: Callable[[str], None] = lambda text: None,
) -> Findings:
    """Run, and run again, until ``wanted`` replies are spoilt; then audit all that was recorded.

    Args:
        folder: for configuration and data.
        wanted: spoilt replies.
        seed: of the strikes.
        points: of each run.
        speed: of the plant.
        networks: share of strikes that cut off an instrument on a network.
        tell: called with a line about each run.
    """
    found = Findings()
    seen: set[Path] = set()
    file = lab_file(folder / "storm.toml")
    with Session(str(file), folder / "data", simulate=True, speed=speed, seed=seed) as session:
        assert session.control is not None
        lab = Served(None, session.addresses, session.control)  # type: ignore[arg-type]
        latches = Latches(session.store.root, session.config.name)
        with Ledger(lab) as ledger:
            with Storm(lab, seed, networks=networks) as storm:

                def watch(message: Message) -> None:
                    if "parent_run" not in message.doc and message.name != "stop":
                        storm.let_loose(loose=ledger.spoilt_replies < wanted)

                while ledger.spoilt_replies < wanted:
                    assert ledger.failure is None, ledger.failure
                    last = _run(session, points, watch, found)
                    storm.let_loose(loose=False)
                    ledger.take()
                    known = len(found.audit.wrong)
                    _audit_new(session, ledger, found, seen)
                    for wrong in found.audit.wrong[known:]:
                        tell(f"WRONG VALUE: {wrong}")
                    for name in latches.all():
                        latches.acknowledge(name, "anna")
                    tell(
                        f"run {found.runs}: {ledger.spoilt_replies} replies spoilt, {found.audit.values.total()} "
                        f"values, {len(found.audit.wrong)} wrong; {last}"
                    )
            ledger.take()
            found.spoilt, found.struck = ledger.spoilt, storm.struck
    return found


def _audit_new(session: Session, ledger: Ledger, found: Findings, seen: set[Path]) -> None:
    """Audit the journals that were not there before."""
    for journal in set(session.store.journals()) - seen:
        seen.add(journal)
        if journal.stem == "documents":
            documents = ((message.name, message.doc) for message in read_journal(journal))
            audit(documents, session.config, ledger, found.audit)


def _run(session: Session, points: int, watch: Callable[[Message], None], found: Findings) -> str:
    """One run; how it ended, in words."""
    found.runs += 1
    options = {name: values[:points] for name, values in _OPTIONS.items()}
    try:
        session.run("everything", options, watch)
    except ChildFailedError as error:
        kind, words = error.kind, str(error)
    except BadInputError as error:
        kind, words = "BadInputError", str(error)
    except FlowlabError as error:  # the session's own: the worker died
        kind, words = "", str(error)
    else:
        found.completed += 1
        return "completed"
    found.messages.append(f"{kind}: {words}")
    if kind in _NONE_OF_OURS:
        found.foreign.append(words)
    else:
        found.ended[kind] += 1
    if re.search("NOT SAFE", words):
        found.unsafe.append(words)
    return found.messages[-1]
