"""Says whether a plan and its parameters are allowed, in a thread of its own: what runs meanwhile is not held up.

It has devices that are connected to nothing.
"""

import queue
import threading
from collections.abc import Mapping
from typing import Any

from flowlab.bench import Bench
from flowlab.config import InstrumentConfig
from flowlab.daemon.plans import Plan
from flowlab.daemon.preflight import Preflight, preflight_on
from flowlab.errors import BadInputError, FlowlabError
from flowlab.process import Tell


class Clerk:
    """Answers orders ``{"do": "check", "number": n, "plan": …, "parameters": …}``, in their order.

    Args:
        config: of the instrument.
        source: file of the configuration, for messages.
        plans: by name.
        tell: told ``{"checked": {"number": n, "preflight": …}}``, or with ``"refused"`` instead of ``"preflight"``.
    """

    def __init__(self, config: InstrumentConfig, source: str, plans: Mapping[str, Plan], tell: Tell):
        self._config = config
        self._source = source
        self._plans = plans
        self._tell = tell
        self._bench = Bench(config, source)
        self._questions: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._answer_all, name="clerk", daemon=True)
        self._thread.start()

    def facts(self) -> dict[str, Any]:
        """Plans, by the JSON Schemas of their parameters, and devices."""
        plans = {name: plan.Parameters.model_json_schema() for name, plan in self._plans.items()}
        devices = {
            name: {
                "class": type(device).__name__,
                "module": type(device).__module__,
                "readable": hasattr(device, "read"),
                "movable": hasattr(device, "set"),
                "flyable": hasattr(device, "kickoff"),
                "safe_state": (device.make_safe.__doc__ or "its safe state").strip().splitlines()[0].rstrip("."),
            }
            for name, device in self._bench.devices.items()
        }
        return {"plans": plans, "devices": devices}

    def ask(self, order: dict[str, Any]) -> None:
        """Have a question answered soon."""
        self._questions.put(order)

    def close(self) -> None:
        """Answer no more."""
        self._questions.put(None)
        self._thread.join()
        self._bench.close()

    def _answer_all(self) -> None:
        while (order := self._questions.get()) is not None:
            try:
                answer: dict[str, Any] = {"preflight": self._check(order).facts()}
            except FlowlabError as error:
                answer = {"refused": str(error)}
            except Exception as error:  # noqa: BLE001  a plan that cannot even be walked through is not allowed
                answer = {"refused": f"plan {order['plan']} cannot be foretold: {type(error).__name__}: {error}"}
            self._tell({"checked": {"number": order["number"], **answer}})

    def _check(self, order: dict[str, Any]) -> Preflight:
        name = order["plan"]
        if name not in self._plans:
            known = ", ".join(sorted(self._plans))
            raise BadInputError(f"{self._config.name} has no plan {name!r}; there are {known}")
        found = preflight_on(self._bench, self._plans[name], order["parameters"], order.get("first_point", 0))
        found.check()
        return found
