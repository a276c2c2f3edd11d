"""Plans as a configuration names them: which parameters they take, checked before anything is done.

A plan is a generator function. Its positional parameters are devices, bound to names by the
configuration; one that has a default may be left out there. Its keyword-only parameters are what a person asks
for, but for ``first_point = 0``: a plan that takes it can be resumed, and is told so how many of its points an earlier
run has (see docs/decisions/014). What does not go together, or needs a device that was left out, it refuses with a
ValueError, before it uses any device.
"""

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError, create_model

from flowlab.bench import Bench, load_object
from flowlab.config import InstrumentConfig, Model
from flowlab.config.load import ConfigError, allowed_keys, explain
from flowlab.errors import BadInputError

#: The parameter that is no person's business: how many points are left out because an earlier run has them.
_FIRST_POINT = "first_point"


class Plan:
    """A plan that can be run on an instrument.

    Args:
        config: the instrument.
        name: of the plan, as the configuration has it.
        source: file of the configuration, for messages.

    Attributes:
        Parameters: model of what the plan takes; ``Parameters.model_json_schema()`` describes it.
        resumable: whether it can be begun at a later point.

    Raises:
        BadInputError: the instrument has no such plan.
        ConfigError: it cannot be loaded, or the devices it is given are not the ones it takes.
    """

    def __init__(self, config: InstrumentConfig, name: str, source: str):
        if name not in config.plans:
            raise BadInputError(f"{config.name} has no plan {name!r}; there are {', '.join(sorted(config.plans))}")
        self.name = name
        self._entry = config.plans[name]
        self._function: Callable[..., Any] = load_object(self._entry.function, f"{source}: plans.{name}.function")
        try:
            signature = inspect.signature(self._function, eval_str=True)
        except (TypeError, ValueError):
            raise ConfigError(f"{source}: plans.{name}.function: {self._entry.function!r} is no function") from None
        devices = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        needed = {p.name for p in devices if p.default is p.empty}
        if not needed <= set(self._entry.devices) <= {p.name for p in devices}:
            taken = (p.name if p.name in needed else f"{p.name} (may be left out)" for p in devices)
            raise ConfigError(
                f"{source}: plans.{name}.devices gives {', '.join(self._entry.devices) or 'none'}; "
                f"the plan takes {', '.join(taken)}"
            )
        asked = {p.name: p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
        self.resumable = asked.pop(_FIRST_POINT, None) is not None
        fields: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else p.default) for p in asked.values()
        }
        self.Parameters: type[Model] = create_model(
            name, __base__=Model, __doc__=inspect.getdoc(self._function), **fields
        )

    def check(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Parameters as the plan wants them; no device is needed.

        Raises:
            BadInputError: one is missing, unknown, or not allowed, or they do not go together.
        """
        try:
            checked = self.Parameters.model_validate(parameters)
        except ValidationError as error:
            allowed = allowed_keys(self.Parameters, error) or f"; it takes {', '.join(self.Parameters.model_fields)}"
            raise BadInputError(explain(error, f"plan {self.name}") + allowed) from None
        values = {name: getattr(checked, name) for name in self.Parameters.model_fields}
        self._try(values)
        return values

    def _try(self, values: dict[str, Any]) -> None:
        """Have the plan itself look at its parameters: begin it with devices that are none, and drop it there."""
        absent = {role: object() for role in self._entry.devices}
        try:
            next(iter(self._function(**absent, **values)), None)
        except ValueError as error:
            raise BadInputError(f"plan {self.name}: {error}") from None
        except Exception:  # noqa: BLE001  it has come to its devices, which are not here
            return

    def __call__(self, bench: Bench, parameters: dict[str, Any], first_point: int = 0) -> Any:
        """The plan's messages, for a RunEngine.

        Args:
            bench: with its devices.
            parameters: what a person asks for.
            first_point: how many points are left out because an earlier run has them.

        Raises:
            BadInputError: the parameters are not allowed, or the plan cannot leave points out.
        """
        devices = {role: bench.devices[name] for role, name in self._entry.devices.items()}
        values = self.check(parameters)
        if first_point and not self.resumable:
            raise BadInputError(f"plan {self.name}: cannot be resumed; run it anew")
        return self._function(**devices, **values, **({_FIRST_POINT: first_point} if first_point else {}))
