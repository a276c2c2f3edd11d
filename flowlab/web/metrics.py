"""Numbers for Prometheus, as they are when it asks."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Gauge, generate_latest

from flowlab.daemon.desk import State
from flowlab.errors import FlowlabError
from flowlab.web.control import ControlClient
from flowlab.web.status import Status

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_UNKNOWN = float("nan")


class Metrics:
    """Numbers of the daemon, asked for anew each time; the history only when it is another one."""

    def __init__(self, control: ControlClient, status: Status):
        self._control = control
        self._status = status
        self._history_uid: str | None = None
        self._history: list[dict[str, Any]] = []

    async def text(self) -> bytes:
        """All numbers; of a daemon that does not answer only that it does not."""
        registry = CollectorRegistry()
        up = Gauge("flowlab_up", "Whether the daemon answers.", registry=registry)
        try:
            facts = await self._status.now()
            details = await self._control.ask("status")
            await self._look_at_history(details)
        except FlowlabError:
            return generate_latest(registry)
        up.set(1)
        _of_daemon(registry, facts, details)
        _of_history(registry, self._history)
        _of_processes(registry, facts.get("pids") or {})
        return generate_latest(registry)

    async def _look_at_history(self, details: dict[str, Any]) -> None:
        uid = details.get("plan_history_uid")
        if uid is None or uid != self._history_uid:
            self._history = (await self._control.ask("history_get")).get("items", [])
            self._history_uid = uid


def _of_daemon(registry: CollectorRegistry, facts: dict[str, Any], details: dict[str, Any]) -> None:
    state = Gauge("flowlab_state", "1 for the state that it is in.", ["state"], registry=registry)
    for one in get_args(State):
        state.labels(one).set(one == facts.get("state"))
    queued = Gauge("flowlab_queue_length", "Items that wait to be run.", registry=registry)
    queued.set(_number(details.get("items_in_queue")))
    running = Gauge("flowlab_running", "Whether an item runs.", registry=registry)
    running.set(facts.get("running") is not None)
    environment = Gauge("flowlab_environment_open", "Whether the devices are connected.", registry=registry)
    environment.set(_number(details.get("worker_environment_exists")))
    safe = Gauge("flowlab_safe", "Whether the instrument is in its safe state; NaN: not known.", registry=registry)
    safe.set(_number(facts.get("safe")))


def _number(told: object) -> float:
    return float(told) if isinstance(told, bool | int | float) else _UNKNOWN


def _of_history(registry: CollectorRegistry, history: list[dict[str, Any]]) -> None:
    results = [item.get("result") or {} for item in history]
    ended = Gauge("flowlab_history_items", "Items that ended, by how.", ["exit_status"], registry=registry)
    for status, count in Counter(str(result.get("exit_status")) for result in results).items():
        ended.labels(status).set(count)
    runs = Gauge("flowlab_history_runs", "Runs of the items that ended.", registry=registry)
    runs.set(sum(len(result.get("run_uids") or []) for result in results))


def _of_processes(registry: CollectorRegistry, pids: dict[str, Any]) -> None:
    """Memory and age of each process, where the system tells."""
    memory = Gauge("flowlab_process_resident_bytes", "Memory of a process.", ["process"], registry=registry)
    age = Gauge("flowlab_process_age_seconds", "Seconds since a process began.", ["process"], registry=registry)
    for name, pid in pids.items():
        try:
            resident = int(Path(f"/proc/{int(pid)}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            # The name, in parentheses, may hold spaces; field 22 is the twentieth after it.
            ticks = int(Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()[19])
            uptime = float(Path("/proc/uptime").read_text().split()[0])
        except (OSError, ValueError, TypeError, IndexError):
            continue
        memory.labels(name).set(resident)
        age.labels(name).set(max(0.0, uptime - ticks / os.sysconf("SC_CLK_TCK")))
