"""A daemon as far as its control socket shows one: a real queue, and a plant that is only a table.

``python -m tests.flowlab.web.daemon`` with ``address`` and ``folder`` on standard input. Method ``test_set`` has the
status say something else; ``test_flood`` has an interlock trip, for a cause that lasts or not; ``test_count`` tells how
often each method was asked.
"""

import json
import os
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import zmq

from flowlab.daemon.latches import Latches
from flowlab.daemon.plan_queue import Place, PlanQueue, QueueBlockedError
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Lifeline

PLANS = {"scan": {"name": "scan", "description": "A scan.", "parameters": []}, "wash": {"name": "wash"}}
DEVICES = {"pump": {"is_readable": True, "is_movable": True}}


class Daemon:
    def __init__(self, queue: PlanQueue, latches: Latches):
        self.queue = queue
        self.asked: Counter[str] = Counter()
        self.said: dict[str, Any] = {"state": "idle", "safe": True}
        self.open = False
        self.latches = latches
        self.flooded = False

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.asked[method] += 1
        handler = getattr(self, f"do_{method}", None)
        if handler is None:
            raise BadInputError(f"unknown method {method!r}")
        return handler(**params)

    def do_test_set(self, **facts):
        self.said |= facts
        return {}

    def do_test_count(self):
        return {"count": dict(self.asked)}

    def do_flowlab_status(self):
        queue = len(self.queue.items)
        facts = {**self.said, "pids": {"supervisor": os.getpid()}, "queue": queue, "running": None}
        return {"status": facts}

    def do_status(self):
        return {
            "items_in_queue": len(self.queue.items),
            "worker_environment_exists": self.open,
            "plan_history_uid": self.queue.history_uid,
        }

    def do_queue_get(self):
        return {"items": self.queue.items, "running_item": {}, "plan_queue_uid": self.queue.uid}

    def do_history_get(self):
        return {"items": self.queue.history, "plan_history_uid": self.queue.history_uid}

    def do_plans_allowed(self, user_group):
        return {"plans_allowed": PLANS, "plans_allowed_uid": "1"}

    def do_devices_allowed(self, user_group):
        return {"devices_allowed": DEVICES, "devices_allowed_uid": "1"}

    def do_flowlab_preflight(self, plan, parameters):
        if unknown := set(parameters) - {"temperature_c"}:
            raise BadInputError(f"{plan}: no parameter is called {min(unknown)}")
        return {"preflight": {"steps": 3, "seconds": 60.0}}

    def do_queue_item_add(self, item, user, user_group, pos=None, before_uid=None, after_uid=None):
        self.do_flowlab_preflight(self._known(item), item["kwargs"])
        if isinstance(pos, int):  # as list.insert has it
            size = len(self.queue.items)
            place = Place(min(pos, size) if pos >= 0 else max(pos, -size) - 1)
        else:
            place = Place(before=before_uid, after=after_uid)  # or the back
        (item,) = self.queue.add([{**item, "user": user}], place)
        return {"item": item, "qsize": len(self.queue.items)}

    def do_queue_item_update(self, item, user, user_group, replace=False):
        self.do_flowlab_preflight(self._known(item), item["kwargs"])
        return {"item": self.queue.update(item, keep_uid=not replace)}

    def _known(self, item):
        if item["name"] not in PLANS:
            raise BadInputError(f"there is no plan {item['name']!r}")
        return item["name"]

    def do_queue_item_remove(self, uid):
        return {"item": self.queue.remove([uid])[0]}

    def do_queue_item_move(self, uid, pos_dest=None, before_uid=None, after_uid=None):
        return {"item": self.queue.move([uid], Place(pos_dest, before_uid, after_uid))[0]}

    def do_queue_clear(self):
        self.queue.clear()
        return {}

    def do_queue_start(self):
        if not self.open:
            raise FlowlabError("the environment is not open")
        if self.queue.begin() is not None:
            self.queue.interrupt("the worker\ndied")
            self.said["state"] = "interrupted"
        return {}

    def do_queue_stop(self):
        return {}

    do_queue_stop_cancel = do_queue_stop

    def do_test_flood(self, lasts):
        self.flooded = lasts
        self.latches.latch("flood", "the cell\nleaks")
        return {}

    def do_flowlab_interlocks(self):
        return {"latched": self.latches.of(["fire", "flood"])}

    def do_flowlab_interlock_ack(self, name, user):
        self.latches.acknowledge(name, user)
        if self.flooded:
            self.do_test_flood(lasts=True)
            raise QueueBlockedError(f"interlock {name} was acknowledged, and tripped again at once: the cell leaks")
        return self.do_flowlab_interlocks()

    def do_flowlab_queue_ack(self, uid):
        item = self.queue.acknowledge(uid, ["run"])
        self.said["state"] = "idle"
        return {"item": item}

    def do_flowlab_queue_resume(self, uid):
        (item,) = (item for item in self.queue.history if item["item_uid"] == uid)
        item.pop("result")
        return {"item": self.queue.add([item], Place(index=0))[0]}

    def do_re_pause(self, option):
        raise QueueBlockedError("nothing runs")

    def do_re_resume(self):
        raise QueueBlockedError("nothing runs")

    def do_re_stop(self, user):
        raise QueueBlockedError(f"nothing runs that {user} could end")

    do_re_abort = do_re_halt = do_re_stop

    def do_flowlab_safe_state(self, dry_run):
        return {"outcome": {"pump": "stop" if dry_run else None}}

    def do_environment_open(self):
        self.open = True
        return {}

    def do_environment_close(self):
        self.open = False
        return {}

    do_environment_destroy = do_environment_close


def reply(daemon: Daemon, question: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(question)
        return {"success": True, "msg": "", **daemon.answer(asked["method"], asked["params"])}
    except BadInputError as error:
        return {"success": False, "msg": str(error), "kind": "bad_input"}
    except FlowlabError as error:
        return {"success": False, "msg": str(error)}


def main() -> None:
    lifeline = Lifeline()
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.linger = 0
    socket.bind(lifeline.spec["address"])
    with PlanQueue(Path(lifeline.spec["folder"]) / "queue.sqlite") as queue, closing(socket):
        daemon = Daemon(queue, Latches(Path(lifeline.spec["folder"]), "lab"))
        lifeline.ready({})
        while not lifeline.cut:
            if socket.poll(50):
                *envelope, question = socket.recv_multipart()
                socket.send_multipart([*envelope, json.dumps(reply(daemon, question)).encode()])
    context.term()


if __name__ == "__main__":
    main()
