"""``flowlab fault``: have something go wrong at simulated instruments."""

import json
import socket
import sys
from typing import Annotated, Any

import typer

from flowlab.cli.options import ConfigOption, Json
from flowlab.errors import BadInputError, FlowlabError

_ANSWERS_WITHIN_S = 10.0


def fault(
    name: Annotated[str | None, typer.Argument(help="What goes wrong; none: all is well again.")] = None,
    device: Annotated[str | None, typer.Argument(help="The device it happens to.")] = None,
    options: Annotated[list[str] | None, typer.Argument(help="Numbers, as probability=0.1.", metavar="OPTION…")] = None,
    config: ConfigOption = "simulated-flow",
    control: Annotated[
        str | None, typer.Option(help="The simulators' control port, as HOST:PORT, instead of the configured one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Switch a fault of a simulated instrument on; without a name, list what can go wrong."""
    if name is not None and device is None:
        raise BadInputError(f"{name} at which device? give one: flowlab fault {name} DEVICE")
    address = control or _configured(config)
    if name is None:
        possible = _ask(address, {"faults": True})
        sys.stdout.write(json.dumps(possible) + "\n" if as_json else _listed(possible))
        return
    answer = _ask(address, {"fault": name, "device": device, **_numbers(options or [])})
    if not answer.get("ok"):
        raise BadInputError(str(answer.get("error", answer)))
    sys.stdout.write(json.dumps(answer) + "\n" if as_json else f"{device}: {name}\n")


def _configured(config: str) -> str:
    from flowlab.config import load_instrument

    loaded = load_instrument(config)
    if loaded.simulation is None:
        raise BadInputError(f"{config}: has no [simulation] table: faults are for simulated instruments")
    return loaded.simulation.control


def _numbers(options: list[str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for option in options:
        name, equals, value = option.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or name in ("fault", "device"):
            raise BadInputError(f"{option!r} is not an option: give NAME=NUMBER, as probability=0.1")
    return numbers


def _ask(address: str, request: dict[str, Any]) -> dict[str, Any]:
    """One request to the control port.

    Raises:
        BadInputError: the address is not of the form HOST:PORT.
        FlowlabError: nobody answers there, or not as simulators do.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadInputError(f"control port {address!r}: give it as 127.0.0.1:PORT; flowlab simulate prints it")
    try:
        with socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S) as sock, sock.makefile("rw") as file:
            file.write(json.dumps(request) + "\n")
            file.flush()
            answer = json.loads(file.readline())
    except OSError as error:
        raise FlowlabError(
            f"no simulators answer at {address}: {error.strerror or error}; start them with flowlab simulate, "
            "and give the control port that it prints: --control HOST:PORT"
        ) from None
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise FlowlabError(f"what answers at {address} is no control port of simulators")
    return answer


def _listed(possible: dict[str, Any]) -> str:
    lines = []
    for device, faults in possible.items():
        words = [
            name + "".join(f" [{option}={value:g}]" for option, value in options.items())
            for name, options in faults.items()
        ]
        lines.append(f"{device}: {', '.join([*words, 'none'])}\n")
    return "".join(lines)
