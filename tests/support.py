"""Small things that several tests need: a cable that can be cut, documents of a made-up run."""

import contextlib
import itertools
import os
import pty
import socket
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from event_model import compose_run

HEATERS = ("nucleation_heater", "growth_heater")

Document = tuple[str, dict[str, Any]]


def is_safe(truth: dict[str, Any]) -> bool:
    """Whether the simulated lab, by its own account, is in the safe state of the shipped instrument."""
    heaters = [truth["instruments"][name]["working_set_point_c"] for name in HEATERS]
    return heaters == [20.0, 20.0] and all(pump["rate_ml_min"] == 0 for pump in truth["pumps"].values())


def documents_of_a_run(events: int, pixels: int = 8) -> Iterator[Document]:
    """Start, descriptor, events and stop of a run with spectra of random counts."""
    run = compose_run(metadata={"plan_name": "made_up"})
    yield "start", run.start_doc
    descriptor = run.compose_descriptor(
        name="primary",
        data_keys={"counts": {"dtype": "array", "shape": [pixels], "source": "test", "units": "counts"}},
    )
    yield "descriptor", descriptor.descriptor_doc
    random = np.random.default_rng(events)
    for i in range(events):
        event = descriptor.compose_event(
            data={"counts": random.normal(size=pixels)}, timestamps={"counts": float(i)}, time=float(i)
        )
        yield "event", event
    yield "stop", run.compose_stop()


def documents_of_two_streams(events: int) -> Iterator[Document]:
    """A run with events of a stream ``a``, and after the last of them events of a stream ``b``."""
    run = compose_run(metadata={"plan_name": "made_up"})
    yield "start", run.start_doc
    bundles = {}
    for name in ("a", "b"):
        bundles[name] = run.compose_descriptor(
            name=name, data_keys={name: {"dtype": "number", "shape": [], "source": "test"}}
        )
        yield "descriptor", bundles[name].descriptor_doc
    for name in ("a", "b"):
        for i in range(events):
            yield "event", bundles[name].compose_event(data={name: float(i)}, timestamps={name: 0.0}, time=0.0)
    yield "stop", run.compose_stop()


class Cable:
    """A TCP connection to ``address`` through a local port, which can be cut and mended."""

    def __init__(self, host: str, port: int):
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._whole = True
        self._lock = threading.Lock()
        self._start(self._accept)

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    if not self._whole:
                        near.close()
                        continue
                    far = socket.create_connection(self._target)
                    self._pairs += [near, far]
                    for a, b in itertools.permutations((near, far)):
                        self._start(self._copy, a, b)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        with self._lock:
            self._whole = False
            for end in self._pairs:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
            self._pairs.clear()

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._whole = True

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


class SerialAdapter:
    """A terminal that leads to a TCP address, as an adapter on USB leads to a serial line; it can be pulled out.

    Attributes:
        path: of the terminal.
    """

    def __init__(self, host: str, port: int):
        self._master, self._slave = pty.openpty()
        self.path = os.ttyname(self._slave)
        self._far = socket.create_connection((host, port))
        self._threads = [threading.Thread(target=self._from_far), threading.Thread(target=self._to_far)]
        for thread in self._threads:
            thread.start()

    def _from_far(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._far.recv(4096):
                os.write(self._master, data)

    def _to_far(self) -> None:
        with contextlib.suppress(OSError):  # a master whose slaves are all closed is at its end
            while data := os.read(self._master, 4096):
                self._far.sendall(data)

    def pull_out(self) -> None:
        """Hang up: whoever has the terminal open loses it."""
        if self._slave < 0:
            return
        with contextlib.suppress(OSError):  # the far end may have gone
            self._far.shutdown(socket.SHUT_RDWR)
        os.write(self._slave, b"\0")  # wakes the thread that waits for something to send
        for thread in self._threads:
            thread.join()
        os.close(self._master)
        os.close(self._slave)
        self._far.close()
        self._slave = -1


def documents_of_a_scan(
    panels: dict[float, list[float]], *, clusters: tuple[float, ...] = (), plan: str = "made_up_scan", seed: int = 1
) -> Iterator[Document]:
    """A scan of made-up spectra: for each panel the excitons of its spectra; CdSe-437 in the panels of ``clusters``."""
    from tests.flowlab.analysis.spectra import DARK, WAVELENGTH, band, counts, crystal

    run = compose_run(
        metadata={
            "plan_name": plan,
            "material": "CdSe",
            "instrument": "made-up",
            "num_points": sum(map(len, panels.values())),
            "point_events": {"primary": 1},
            "plan_parameters": {"panels": list(panels)},
            "config": {"flow_path": {"optical_path_mm": 1.0}},
            "analysis": {
                "kind": "absorbance",
                "counts": "spec_counts",
                "counts_err": "spec_counts_err",
                "saturated": "spec_saturated_pixels",
                "wavelength_nm": "spec_wavelength_nm",
                "axes": ["reactor_nucleation_setpoint_c", "reactor_growth_setpoint_c"],
            },
        }
    )
    yield "start", run.start_doc
    pixels = len(WAVELENGTH)
    array = {"dtype": "array", "shape": [pixels], "source": "test", "units": "counts"}
    number = {"dtype": "number", "shape": [], "source": "test"}
    spectrum = {"spec_counts": array, "spec_counts_err": array, "spec_saturated_pixels": number}
    axes = {key: {**number, "units": "°C"} for key in ("reactor_nucleation_setpoint_c", "reactor_growth_setpoint_c")}
    configuration = {
        "spec": {
            "data": {"spec_wavelength_nm": WAVELENGTH},
            "timestamps": {"spec_wavelength_nm": 0.0},
            "data_keys": {"spec_wavelength_nm": {**array, "units": "nm"}},
        }
    }
    keys = {"dark": spectrum, "reference": spectrum, "primary": {**spectrum, **axes}}
    time = run.start_doc["time"]

    def event(bundle: Any, sample: Any, more: dict[str, float]) -> Document:
        data = {"spec_counts": sample.mean, "spec_counts_err": sample.err, "spec_saturated_pixels": 0, **more}
        return "event", bundle.compose_event(data=data, timestamps=dict.fromkeys(data, time), time=time)

    bundles = {}
    for name, data_keys in keys.items():
        bundles[name] = run.compose_descriptor(
            name=name, data_keys=data_keys, configuration=configuration, object_keys={"spec": list(data_keys)}
        )
        yield "descriptor", bundles[name].descriptor_doc
        if name == "dark":
            yield event(bundles[name], DARK, {})
        elif name == "reference":
            yield event(bundles[name], counts(0 * WAVELENGTH, seed=10_000 + seed), {})
    for panel, excitons in panels.items():
        for i, exciton in enumerate(excitons):
            seed += 1
            time += 1.0
            value = crystal(exciton) + (band(437.0, 0.08, 0.117) if panel in clusters else 0.0)
            point = {"reactor_nucleation_setpoint_c": panel, "reactor_growth_setpoint_c": panel - 10 * i}
            yield event(bundles["primary"], counts(value, seed), point)
    yield "stop", run.compose_stop()


PANELS = {270.0: [560.0, 552.0, 545.0, 537.0, 530.0], 310.0: [580.0, 571.0, 562.0, 553.0, 545.0]}
