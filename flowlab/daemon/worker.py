"""The worker process: owns the RunEngine and the devices; does what it is ordered, one thing after another.

``python -m flowlab.daemon.worker``. Its specification names the configuration and the addresses. Orders are
``{"do": …}`` with *open* (connect the devices), *watch* (also the interlocks that tripped), *run* (a plan), *rest* (the
safe state), *close* (the safe state, and let go of the devices), *leave* (the same, and end), and, while a plan runs,
*pause*, *resume*, *end*. Whether a plan and its parameters are allowed it says at any time: *check*. However it ends,
short of being killed, the devices are in their safe state; when it is killed, whoever started it sees to that.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowlab.config import load_instrument
from flowlab.daemon.clerk import Clerk
from flowlab.daemon.instrument import Instrument
from flowlab.daemon.plans import Plan
from flowlab.errors import FlowlabError
from flowlab.process import Child, Lifeline
from flowlab.stream import RunStore

Order = dict[str, Any]

#: How many times as long as whoever started it allows, the worker takes for its end before it gives up.
_LAST = 1.5


class Worker:
    """What it is ordered, in the main thread; what cannot wait for that, in the thread that takes orders.

    Raises:
        FlowlabError: the configuration is not well.
    """

    def __init__(self, lifeline: Lifeline):
        self._lifeline = lifeline
        spec = lifeline.spec
        config = load_instrument(spec["config"])
        if spec.get("speed"):
            config = config.model_copy(update={"clock": config.clock.model_copy(update={"speed": spec["speed"]})})
        self._config = config
        self._plans = {name: Plan(config, name, spec["config"]) for name in config.plans}
        self._store = RunStore(Path(spec["data"]))
        self._clerk = Clerk(config, spec["config"], self._plans, lifeline.tell)
        self._instrument: Instrument | None = None
        self._over = threading.Event()
        self._to_do: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def serve(self) -> None:
        """Do as ordered until the lifeline is cut; leave the instrument safe."""
        self._lifeline.on_cut(self._end)
        threading.Thread(target=self._take_orders, name="orders", daemon=True).start()
        self._lifeline.ready(self._clerk.facts())
        try:
            while (task := self._to_do.get()) is not None:
                try:
                    task()
                except FlowlabError as error:
                    self._lifeline.fail(error)
        finally:
            self._close()
            self._clerk.close()
            self._over.set()

    def _end(self) -> None:
        threading.Thread(target=self._see_it_end, name="end", daemon=True).start()
        if (instrument := self._instrument) is not None:
            instrument.end("abort", "")

    def _see_it_end(self) -> None:
        """Where whoever started this process is gone, nobody else would end it when a device does not return."""
        # Who is not gone has killed it long before.
        if self._over.wait(_LAST * self._config.daemon.finish_s):
            return
        sys.stderr.write("a device does not return: the safe state is left to another process\n")
        spec = {key: self._lifeline.spec.get(key) for key in ("config", "addresses", "speed")}
        Child("safe state", "flowlab.daemon.safe_state", spec, self._store.root / "logs" / "safe-state.log")
        os._exit(1)  # lets go of the lines, which the other needs

    def _take_orders(self) -> None:
        for order in self._lifeline.orders():
            self._take(order)
        self._to_do.put(None)  # behind all that was ordered

    def _take(self, order: Order) -> None:
        tasks = {
            "open": self._open,
            "watch": self._watch,
            "rest": self._rest,
            "close": self._close,
            "leave": None,
        }
        instrument = self._instrument
        match order["do"]:
            case do if do in tasks:
                self._to_do.put(tasks[do])
            case "run":
                if instrument is not None:
                    instrument.expect()
                self._to_do.put(lambda: self._run(order))
            case "check":
                self._clerk.ask(order)
            case "pause" if instrument is not None:
                instrument.pause(deferred=order["deferred"])
            case "resume" if instrument is not None:
                instrument.resume()
            case "end" if instrument is not None:
                instrument.end(order["how"], order["why"])
            case _:
                pass  # there is nothing to pause or to end

    def _open(self) -> None:
        if self._instrument is not None:
            return
        spec = self._lifeline.spec
        instrument = Instrument(
            self._config,
            spec["config"],
            self._store,
            spec["documents_in"],
            spec.get("addresses"),
            tell=self._lifeline.tell,
            when_idle=lambda: self._to_do.put(self._rest),
        )
        self._instrument = instrument.__enter__()
        if self._lifeline.cut:
            instrument.end("abort", "")
        self._lifeline.tell({"opened": {}})

    def _close(self) -> None:
        instrument, self._instrument = self._instrument, None
        if instrument is not None:
            instrument.__exit__(None, None, None)
            self._lifeline.tell({"closed": {"unsafe": instrument.unsafe}})

    def _watch(self) -> None:
        """Have each interlock looked at, also one that tripped: that is not, until the devices are connected anew."""
        if self._instrument is not None and not self._instrument.tripped:
            self._lifeline.tell({"opened": {}})
            return
        self._close()
        self._open()

    def _rest(self) -> None:
        if self._instrument is not None:
            self._lifeline.tell({"rested": {"unsafe": self._instrument.make_safe()}})

    def _run(self, order: Order) -> None:
        self._connected().check()
        if self._connected().tripped:  # while no plan ran
            self._watch()
        instrument = self._connected()
        plan = self._plans[order["plan"]]
        try:
            uids = instrument.run(plan, order["parameters"], order["metadata"], order.get("first_point", 0))
        except FlowlabError as error:
            self._fail(error, instrument.unsafe)
            # What a device remembers of a failure must not meet the next plan: it is connected, and checked, anew.
            if not self._lifeline.cut:
                self._close()
                self._open()
        else:
            self._lifeline.done({"run_uids": uids})

    def _connected(self) -> Instrument:
        if self._instrument is None:
            raise FlowlabError("the devices are not connected")
        return self._instrument

    def _fail(self, error: FlowlabError, unsafe: dict[str, str]) -> None:
        """Tell what went wrong, in the plan or in making the instrument safe."""
        words = f"NOT SAFE: {'; '.join(unsafe.values())}" if unsafe else "the instrument is safe"
        facts = {"failed": f"{error}; {words}", "exit_code": error.exit_code, "kind": type(error).__name__}
        self._lifeline.tell({**facts, "unsafe": unsafe})


def main() -> None:
    """Serve until the lifeline is cut."""
    lifeline = Lifeline()
    try:
        Worker(lifeline).serve()
    except FlowlabError as error:
        lifeline.fail(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
