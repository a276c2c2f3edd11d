"""Kills and faults at random moments of scans that heat and pump: everything must be safe soon, and nothing lost.

``python -m benchmarks.chaos [N [SEED]]``. The simulated plant is a process apart, and the judge: by its own truth the
heaters are off and the pumps stand, or not. A hundred take some half an hour. The same seed gives the same faults in
the same order, after the same times; what the machine does in these is up to it. Exit code 1 if anything was lost,
begun twice, unreadable, or not safe in time.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import hdf5plugin  # noqa: F401  spectra are compressed
import psutil

from benchmarks.own_daemon import OwnDaemon, eventually
from flowlab.errors import FlowlabError
from flowlab.stream import GapError, Subscriber, read_journal

FAULTS, SEED = 100, 1
SPEED = 60.0
SAFE_WITHIN_S = 2.0

_TEMPLATE = Path(__file__).parent.parent / "tests" / "instruments" / "uv-vis.toml"
_LIMITS = {"stalled_s": 10.0, "pause_s": 1.0, "finish_s": 20.0}
_POLL_S = 0.02
_LONGEST_S = 60.0
_SETTLED_WITHIN_S = 60.0
#: Real seconds between the first heat and the fault, at most.
_LATEST_S = 6.0
_PLAN = "temperature_scan"
_LONG = {"nucleation_c": [200.0], "growth_offsets_c": [-0.5 * i for i in range(80)]}
_SHORT = {"nucleation_c": [200.0], "growth_offsets_c": [-0.5 * i for i in range(8)]}
_REST = {"residence_time_s": 20.0, "blank_c": None}


@dataclass
class Strike:
    """What was done to a scan, and what came of it.

    Attributes:
        kind: of the fault.
        after_s: real seconds from the first heat to the fault.
        safe_s: real seconds until everything was safe that could be reached.
        run_uid: of the scan that was struck.
        wrong: what should not have been, in words.
    """

    kind: str
    after_s: float
    device: str = ""
    safe_s: float = float("nan")
    item: str = ""
    run_uid: str = ""
    wrong: list[str] = field(default_factory=list)


class Plant:
    """The simulators as a process apart, which outlives every daemon."""

    def __init__(self, daemon: OwnDaemon):
        command = [sys.executable, "-m", "simulators", str(_TEMPLATE), "--any-port", "--speed", str(SPEED)]
        self._process = subprocess.Popen(
            [*command, "--until-eof"],
            env=daemon.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert self._process.stdout is not None  # noqa: S101  it was asked for
        ready = json.loads(self._process.stdout.readline())["ready"]
        self.addresses: dict[str, str] = ready["addresses"]
        host, _, port = ready["control"].rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30.0)
        self._file = self._socket.makefile("rw")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()
        self._process.communicate(timeout=30.0)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, **request: Any) -> dict[str, Any]:
        """One request to the control port."""
        self._file.write(json.dumps(request) + "\n")
        self._file.flush()
        return json.loads(self._file.readline())

    def fault(self, name: str, device: str) -> None:
        """Have something go wrong at a device; ``none``: all is well again."""
        told = self.ask(fault=name, device=device)
        if told != {"ok": True}:
            raise FlowlabError(f"{device}: {name}: {told}")

    def unsafe(self) -> set[str]:
        """What heats or flows."""
        truth = self.ask(truth=True)
        instruments = truth["instruments"]
        heaters = {
            name
            for name, heater in truth["heaters"].items()
            if heater["power_w"] > 0 or instruments[name]["working_set_point_c"] != 20.0
        }
        return heaters | {name for name, pump in truth["pumps"].items() if pump["rate_ml_min"] != 0}

    def until_safe(self, since: float, beside: str = "") -> float:
        """Real seconds since then until everything is safe, beside a device that cannot be reached."""
        while self.unsafe() - {beside} and time.monotonic() - since < _LONGEST_S:
            time.sleep(_POLL_S)
        return time.monotonic() - since


class Listener:
    """Receives all documents of all runs, as a client of the daemon does, whatever becomes of the daemon."""

    def __init__(self, daemon: OwnDaemon):
        self._subscriber = Subscriber(daemon.documents, daemon.replay)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        #: By run, position and name of each document in the order in which it came.
        self.heard: dict[str, list[tuple[int, str]]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._subscriber.close()

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(GapError):  # there is no daemon now; it is tried again
                if (message := self._subscriber.receive(0.1)) is not None:
                    self.heard[message.run_uid].append((message.position, message.name))

    def stopped(self, run_uid: str) -> bool:
        """Whether the run's last document has come."""
        heard = self.heard.get(run_uid)
        return bool(heard) and heard[-1][1] == "stop"


class Campaign:
    """Strikes scans one after another, and keeps count."""

    def __init__(self, daemon: OwnDaemon, plant: Plant, listener: Listener, seed: int):
        self._daemon = daemon
        self._plant = plant
        self._listener = listener
        self._random = random.Random(seed)  # noqa: S311  nothing is secret
        self._next = ""
        self._asking: threading.Thread | None = None
        self.strikes: list[Strike] = []
        self._kinds: dict[str, Callable[[Strike], None]] = {
            "worker SIGKILL": lambda s: self._kill("worker", signal.SIGKILL),
            "worker SIGSEGV": lambda s: self._kill("worker", signal.SIGSEGV),
            "worker SIGSTOP": lambda s: self._kill("worker", signal.SIGSTOP),
            "worker SIGTERM": lambda s: self._kill("worker", signal.SIGTERM),
            "supervisor SIGKILL": lambda s: self._kill("supervisor", signal.SIGKILL),
            "supervisor SIGTERM": lambda s: self._kill("supervisor", signal.SIGTERM),
            "supervisor SIGINT": lambda s: self._kill("supervisor", signal.SIGINT),
            "supervisor and worker": lambda s: self._kill_both(),
            "analyzer SIGKILL": lambda s: self._kill("analyzer", signal.SIGKILL),
            "writer SIGKILL": lambda s: self._kill("writer", signal.SIGKILL),
            "unplug": lambda s: self._plant.fault("unplug", s.device),
            "silence": lambda s: self._plant.fault("silence", s.device),
            "garble": lambda s: self._plant.fault("garble", s.device),
            "pause too long": lambda s: self._ask("re_pause", option="immediate"),
            "abort": lambda s: self._ask("re_abort"),
            "halt": lambda s: self._ask("re_halt"),
            "destroy": lambda s: self._ask("environment_destroy"),
            "safe state asked": lambda s: self._ask("flowlab_safe_state"),
        }
        self._rounds: list[str] = []

    def up(self) -> None:
        """Have a daemon, as the operator does after one has gone."""
        self._daemon.up("-c", str(self._daemon.folder / "lab.toml"), "--no-simulate")

    def run(self, count: int) -> None:
        """Strike so many times, all kinds in turn, in an order that is drawn."""
        self.up()
        self._daemon.until_open()
        for number in range(count):
            strike = self._draw()
            self.strikes.append(strike)
            try:
                self._strike(strike)
            except (FlowlabError, OSError, LookupError, psutil.Error) as error:
                strike.wrong.append(f"{type(error).__name__}: {error}")
            told = f" {strike.device}" if strike.device else ""
            print(
                f"{number + 1:4} {strike.kind}{told}, {strike.after_s:.2f} s after the first heat: "
                f"safe after {strike.safe_s:.2f} s{''.join('; WRONG: ' + wrong for wrong in strike.wrong)}",
                flush=True,
            )

    def _draw(self) -> Strike:
        if not self._rounds:
            self._rounds = self._random.sample(list(self._kinds), len(self._kinds))
        kind, after_s = self._rounds.pop(), self._random.uniform(0.0, _LATEST_S)
        on_wire = kind in ("unplug", "silence", "garble")
        device = self._random.choice(sorted(self._plant.addresses)) if on_wire else ""
        return Strike(kind, after_s, device)

    def _ask(self, method: str, **params: Any) -> None:
        # What ends a run is not waited for: the plant's truth tells.
        self._asking = threading.Thread(target=self._ask_and_forget, args=(method, params), daemon=True)
        self._asking.start()

    def _ask_and_forget(self, method: str, params: dict[str, Any]) -> None:
        with contextlib.suppress(FlowlabError):
            self._daemon.ask(method, **params)

    def _kill(self, part: str, number: signal.Signals) -> None:
        pid = eventually(lambda: self._daemon.facts()["pids"][part], 10.0)
        if pid is None:
            raise FlowlabError(f"there is no {part}")
        os.kill(pid, number)

    def _kill_both(self) -> None:
        pids = self._daemon.facts()["pids"]
        for part in ("supervisor", "worker"):
            os.kill(pids[part], signal.SIGKILL)

    def _strike(self, strike: Strike) -> None:
        daemon, plant = self._daemon, self._plant
        harmless = strike.kind.startswith(("analyzer", "writer"))
        scan = {**(_SHORT if harmless else _LONG), **_REST}
        self._begin(strike, scan)
        followers = {pid for name, pid in daemon.facts()["pids"].items() if pid and name != "simulators"}
        time.sleep(strike.after_s if not harmless else strike.after_s / 6)
        begin = time.monotonic()
        self._kinds[strike.kind](strike)
        if strike.kind == "supervisor and worker":  # nobody is left: safe comes with whoever starts it again
            begin = time.monotonic()
            assert daemon.process is not None  # noqa: S101  it ran
            daemon.process.wait()
            self.up()
        if not harmless:
            strike.safe_s = plant.until_safe(begin, strike.device)
        if strike.kind.startswith("supervisor"):
            self._see_it_end(strike, followers)
        self._settle(strike, harmless)
        self._check_run(strike, "success" if harmless else None)
        if harmless:
            self._check_file(strike)

    def _begin(self, strike: Strike, scan: dict[str, Any]) -> None:
        """Have a scan begin, with another one behind it; return when it heats or flows."""
        daemon = self._daemon
        self._recover()
        daemon.ask("queue_clear")
        (strike.item,) = daemon.add(_PLAN, scan)
        (self._next,) = daemon.add(_PLAN, {**_SHORT, **_REST})
        daemon.ask("queue_start")
        if not eventually(self._plant.unsafe, 30.0):
            raise FlowlabError(f"nothing heats 30 s after it was begun: {daemon.facts()}")
        strike.run_uid = eventually(self._run_of_the_item, 10.0)
        if (running := daemon.facts()["running"]) is None or running["item"] != strike.item:
            strike.wrong.append(f"another item was begun: {running}")

    def _recover(self) -> None:
        """See that what went wrong with the last strike is not in the way of this one."""
        daemon = self._daemon
        if not daemon.alive:
            self.up()
        for device in self._plant.addresses:
            self._plant.fault("none", device)
        facts = daemon.until(lambda facts: facts["state"] not in ("starting", "running", "paused"), _SETTLED_WITHIN_S)
        if left := re.search(r"flowlab queue ack (\S+)", facts["why"] or ""):
            daemon.ask("flowlab_queue_ack", uid=left[1])
        daemon.until_open(_SETTLED_WITHIN_S)

    def _run_of_the_item(self) -> str:
        return (self._daemon.facts()["running"] or {}).get("run_uid") or ""

    def _see_it_end(self, strike: Strike, pids: set[int]) -> None:
        """The old daemon with all its processes; then have another one."""
        daemon = self._daemon
        assert daemon.process is not None  # noqa: S101  it ran
        code = daemon.process.poll() if strike.kind == "supervisor and worker" else daemon.process.wait(60.0)
        wanted = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130}.get(strike.kind.split()[-1])
        if wanted is not None and code != wanted:
            strike.wrong.append(f"exit code {code}, not {wanted}")
        gone = eventually(lambda: not {pid for pid in pids if _runs(pid)}, 40.0)
        if not gone:
            strike.wrong.append(f"left behind: {[psutil.Process(pid).cmdline() for pid in pids if _runs(pid)]}")
        if wanted is not None:
            self.up()

    def _settle(self, strike: Strike, harmless: bool) -> None:
        """Have everything as it was, by what an operator does."""
        daemon = self._daemon
        if harmless:
            daemon.ask("queue_item_remove", uid=self._next)
            daemon.until_open(_SETTLED_WITHIN_S)
            self._check_history(strike, "completed")
            return
        if self._asking is not None:
            self._asking.join()
        facts = daemon.until(
            lambda facts: facts["state"] in ("idle", "interrupted", "unsafe") and facts["safe"] is not None,
            _SETTLED_WITHIN_S,
        )
        if strike.device:
            # A silent line is noticed when it is asked: that it is over is not yet told when what can be is safe.
            self._plant.fault("none", strike.device)
            if facts["state"] == "unsafe":
                daemon.ask("flowlab_safe_state")
            if not eventually(lambda: not self._plant.unsafe(), 5.0):
                strike.wrong.append(f"plugged in and made safe, but {self._plant.unsafe()} is not")
        queued = [item["item_uid"] for item in daemon.ask("queue_get")["items"]]
        if queued != [self._next]:
            strike.wrong.append(f"queued is {queued}, not {self._next}")
        interrupted = daemon.facts()["state"] == "interrupted"
        if interrupted:
            with contextlib.suppress(FlowlabError):
                daemon.ask("queue_start")
                strike.wrong.append("an interrupted item does not keep the queue from going on")
            daemon.ask("flowlab_queue_ack", uid=strike.item)
        # A device whose every reply is spoilt may keep a plan for so long that the worker is killed.
        if not strike.device and interrupted is not (strike.kind in _UNSEEN):
            strike.wrong.append("it is interrupted" if interrupted else "it is not interrupted")
        daemon.until_open(_SETTLED_WITHIN_S)
        self._check_history(strike, "interrupted" if interrupted else None)

    def _check_history(self, strike: Strike, status: str | None) -> None:
        last = self._daemon.ask("history_get")["items"][-1]
        if last["item_uid"] != strike.item:
            strike.wrong.append(f"history ends with {last['item_uid']}")
        elif status is not None and last["result"]["exit_status"] != status:
            strike.wrong.append(f"history says {last['result']}")
        elif last["result"]["run_uids"] != [strike.run_uid]:
            strike.wrong.append(f"history has runs {last['result']['run_uids']}, not {strike.run_uid}")

    def _check_run(self, strike: Strike, status: str | None) -> None:
        """The run's record is whole and closed, and all of it has come to the subscriber."""
        journal = self._daemon.store.run(strike.run_uid).journal
        messages = list(read_journal(journal))
        if messages[-1].name != "stop":
            strike.wrong.append(f"the run has no stop document, but ends with {messages[-1].name}")
            return
        stop = messages[-1].doc
        if status is not None and stop["exit_status"] != status:
            strike.wrong.append(f"the run ended in {stop['exit_status']}: {stop.get('reason')}")
        if [message.position for message in messages] != list(range(len(messages))):
            strike.wrong.append("positions have gaps")
        if events_of(messages) != {name: count for name, count in stop["num_events"].items() if count}:
            strike.wrong.append(f"num_events is {stop['num_events']}, events are {events_of(messages)}")
        eventually(lambda: self._listener.stopped(strike.run_uid), 15.0)

    def _check_file(self, strike: Strike) -> None:
        stored = self._daemon.store.run(strike.run_uid)
        wanted = len(_SHORT["growth_offsets_c"])
        found = eventually(lambda: spectra_in(stored.nexus) == wanted, 60.0)
        if not found:
            strike.wrong.append(f"the file has {spectra_in(stored.nexus)} spectra, not {wanted}")


#: Faults after which nobody has seen the item end.
_UNSEEN = (
    "worker SIGKILL",
    "worker SIGSEGV",
    "worker SIGSTOP",
    "destroy",
    "supervisor SIGKILL",
    "supervisor and worker",
)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def events_of(messages: list[Any]) -> dict[str, int]:
    """How many events each stream of a run has."""
    names = {message.doc["uid"]: message.doc["name"] for message in messages if message.name == "descriptor"}
    return dict(Counter(names[message.doc["descriptor"]] for message in messages if message.name == "event"))


def spectra_in(path: Path) -> int:
    """How many there are in a file; −1 when it cannot be read now."""
    try:
        with h5py.File(path) as file:
            return len(file["entry/data/absorbance"])
    except (OSError, KeyError):
        return -1


@dataclass
class Totals:
    """What must be 0.

    Attributes:
        lost: documents of journals that did not come to the subscriber, or came twice or in another order.
        again: items that have more than one run.
        unreadable: journals and NeXus files.
        late: kills of worker or supervisor after which not everything was safe in time.
        wrong: whatever else should not have been.
        left: processes at the end.
        runs: for information.
        documents: in all journals.
        files: NeXus files.
        behind: of them, those with fewer spectra than the journal has.
    """

    lost: int = 0
    again: int = 0
    unreadable: int = 0
    late: int = 0
    wrong: int = 0
    left: int = 0
    runs: int = 0
    documents: int = 0
    files: int = 0
    behind: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing is."""
        return not (self.lost or self.again or self.unreadable or self.late or self.wrong or self.left)


def audit(daemon: OwnDaemon, heard: dict[str, list[tuple[int, str]]], strikes: list[Strike]) -> Totals:
    """Hold all that was kept against all that was heard."""
    totals = Totals()
    items: Counter[str] = Counter()
    for path in daemon.store.journals():
        try:
            messages = list(read_journal(path))
        except FlowlabError as error:
            print(f"UNREADABLE: {error}")
            totals.unreadable += 1
            continue
        totals.documents += len(messages)
        if path.stem != "documents":
            continue
        totals.runs += 1
        items[messages[0].doc["item_uid"]] += 1
        written = [(message.position, message.name) for message in messages]
        got = heard.get(messages[0].run_uid, [])
        if got != written:
            missing = len(set(written) - set(got)) or 1
            print(f"LOST: {missing} of {path}: {len(got)} came, {len(written)} are written")
            totals.lost += missing
        if messages[-1].name != "stop":
            totals.wrong += 1
            print(f"NO STOP DOCUMENT: {path}")
    totals.again = sum(count - 1 for count in items.values())
    for path in daemon.store.root.glob("*/*.nxs"):
        totals.files += 1
        try:
            with h5py.File(path) as file:
                spectra = len(file["entry/data"].get("absorbance", ()))
        except (OSError, KeyError) as error:
            totals.unreadable += 1
            print(f"UNREADABLE: {path}: {error}")
            continue
        messages = list(read_journal(path.with_name("documents.journal")))
        measured = events_of(messages).get("primary", 0)
        if spectra != measured:
            totals.behind += 1
            kind = [strike.kind for strike in strikes if strike.run_uid == messages[0].run_uid]
            print(f"BEHIND: {path.parent.name}: {spectra} spectra in the file of {measured}, {kind}")
    in_time = ("worker SIGKILL", "worker SIGSEGV", "supervisor SIG")
    killed = [strike for strike in strikes if strike.kind.startswith(in_time)]
    totals.late = sum(not strike.safe_s <= SAFE_WITHIN_S for strike in killed)
    totals.wrong += sum(bool(strike.wrong) for strike in strikes)
    return totals


def _config(daemon: OwnDaemon, plant: Plant) -> None:
    """Write the instrument file: the simulated one, where it is, as if it were real."""
    text = _TEMPLATE.read_text(encoding="utf-8")
    text = text.replace("speed = 200.0", f"speed = {SPEED}").replace("reservoir_ml = 1000.0", "reservoir_ml = 100000.0")
    text = text.replace('name = "simulated-flow"', f'name = "chaos-{os.getpid()}"')
    for name, address in plant.addresses.items():
        before, table, rest = text.partition(f"[devices.{name}]\n")
        head, key, tail = rest.partition("address = ")
        text = before + table + head + key + f'"{address}"\n' + tail.partition("\n")[2]
    limits = "".join(f"{name} = {value}\n" for name, value in _LIMITS.items())
    (daemon.folder / "lab.toml").write_text(f"{text}\n[daemon]\n{limits}", encoding="utf-8")


def chaos(count: int, seed: int) -> tuple[list[Strike], Totals]:
    """Do it."""
    with OwnDaemon() as daemon, Plant(daemon) as plant:
        _config(daemon, plant)
        sockets = daemon.folder / "run"  # the folder of sockets is the same for every daemon of this state
        os.environ["XDG_RUNTIME_DIR"] = str(sockets)
        daemon.control = f"ipc://{daemon.state.sockets() / 'control'}"
        with Listener(daemon) as listener:
            campaign = Campaign(daemon, plant, listener, seed)
            try:
                campaign.run(count)
            finally:
                code = daemon.end(signal.SIGINT)
                heard = listener.heard
        totals = audit(daemon, heard, campaign.strikes)
        totals.wrong += code != 130
        left = eventually(lambda: [p for p in daemon.processes() if p.pid != plant.pid] == [], 10.0)
        if not left:
            totals.left = len(daemon.processes()) - 1
            print(f"LEFT: {[p.cmdline() for p in daemon.processes()]}")
    return campaign.strikes, totals


def report(strikes: list[Strike], totals: Totals) -> None:
    """Print the table."""
    print(f"\n{'kind of fault':24}{'times':>7}{'safe after, median':>20}{'at most':>10}  wrong")
    kinds: dict[str, list[Strike]] = defaultdict(list)
    for strike in strikes:
        kinds[strike.kind].append(strike)
    for kind, those in sorted(kinds.items()):
        seconds = [strike.safe_s for strike in those if strike.safe_s == strike.safe_s]
        safe = f"{statistics.median(seconds):18.2f} s{max(seconds):8.2f} s" if seconds else f"{'the run goes on':>30}"
        print(f"{kind:24}{len(those):7}{safe}  {sum(bool(strike.wrong) for strike in those)}")
    print(f"\n{totals.runs} runs, {totals.documents} documents")
    print(f"{totals.files} NeXus files, {totals.behind} of them behind their journals")
    for told, number in (
        ("documents lost", totals.lost),
        ("items run again without consent", totals.again),
        ("unreadable files", totals.unreadable),
        (f"not safe within {SAFE_WITHIN_S:g} s, worker or supervisor killed", totals.late),
        ("otherwise wrong", totals.wrong),
        ("processes left behind", totals.left),
    ):
        print(f"{told:58}{number:6}")


def main() -> int:
    """Print every strike and the table."""
    count, seed = [*map(int, sys.argv[1:3]), *(FAULTS, SEED)[len(sys.argv) - 1 :]]
    strikes, totals = chaos(count, seed)
    report(strikes, totals)
    return int(not totals.good)


if __name__ == "__main__":
    sys.exit(main())
