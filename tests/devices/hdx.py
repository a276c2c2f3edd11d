"""Spectrometers whose replies can be spoilt: a simulator's instrument behind a listener of its own."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from flowlab.config import DeviceEntry, InstrumentConfig
from simulators.wire.bench import Bench
from tests.simulators.benches import StandingClock, pass_time, say, shipped

#: What goes over the wire instead of a reply; None closes the connection.
Spoil = Callable[[bytes], bytes | None]


def with_emission(**settings: Any) -> InstrumentConfig:
    """The shipped instrument with a QE Pro beside the cell, and a LED on one of its lines."""
    qepro = DeviceEntry.model_validate(
        {
            "class": "devices.ocean:OceanQePro",
            "address": "usb+tcp://127.0.0.1:57458",
            "simulator": "simulators.wire.qepro:OceanQePro",
            "settings": {"integration_ms": 20.0, "scans": 2} | settings.pop("settings", {}),
            "simulated": settings.pop("simulated", {}),
        }
    )
    led = DeviceEntry.model_validate(
        {"class": "devices.ocean:LightSwitch", "parts": {"spectrometer": "emission"}, "settings": settings}
    )
    config = shipped()
    return config.model_copy(
        update={
            "devices": config.devices | {"emission": qepro, "excitation": led},
            "safe_state": [*config.safe_state, "emission"],
        }
    )


class Spectrometer:
    """Serves one client after the other.

    Attributes:
        address: where.
        spoil: applied to each reply.
        plant: what the instrument acts on; it moves on by ``step_s`` with each piece that is received.
    """

    def __init__(self, config: InstrumentConfig, name: str, step_s: float = 0.0) -> None:
        bench = Bench(config, StandingClock())
        self.plant = bench.plant
        self.instrument: Any = bench.instruments[name]
        self._bench, self._step_s = bench, step_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = str(config.devices[name].address).partition(":")[0]
        self.address = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.spoil: Spoil = lambda reply: reply
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    while data := connection.recv(4096):
                        pass_time(self._bench, self._step_s)
                        reply = say(self.instrument, data)
                        if reply and (reply := self.spoil(reply)) is None:
                            break
                        connection.sendall(reply)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


class Hdx(Spectrometer):
    """The shipped one.

    Attributes:
        shutter_open: whether light falls on the detector.
    """

    def __init__(self, **simulated: Any) -> None:
        config = shipped()
        entry = config.devices["spectrometer"].model_copy(update={"simulated": simulated})
        super().__init__(
            config.model_copy(update={"devices": config.devices | {"spectrometer": entry}}), "spectrometer"
        )

    @property
    def shutter_open(self) -> bool:
        return self.plant.light.shutter_open

    def lose_power(self, reply: bytes) -> None:
        """A way to spoil a reply, once: be off and on again instead."""
        self.plant.light.shutter_open = True
        self.spoil = lambda reply: reply
