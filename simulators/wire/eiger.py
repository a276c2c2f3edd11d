"""A Dectris Eiger2: SIMPLON 1.8 over HTTP, frames over ZeroMQ.

Source: SIMPLON 1.8 API documentation, document version 3.2: what a series consists of, pages 6–7; states, page 28;
commands, pages 30–31; the stream's parameters, pages 39–47. What stands in the body of a refusal, and which of 400 and
404 it is, no source tells but for parameters that do not exist (page 4, and tickit-devices for 404).
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field

from flowlab.clock import Clock
from flowlab.config import DeviceEntry, InstrumentConfig
from flowlab.errors import BadInputError
from simulators.plant.area_detector import DETECTORS
from simulators.plant.plant import Plant
from simulators.wire.eiger_config import Config, Item, RefusedError
from simulators.wire.eiger_messages import Cbor, Format, Legacy, Shot, pixels_of
from simulators.wire.eiger_sender import Sender
from simulators.wire.http import WebInstrument, WebReply
from simulators.wire.instrument import BenchSettings, bench_settings

VERSION = "1.8.0"
_PORTS = {"cbor": 31001, "legacy": 9999}


class EigerOnBench(BenchSettings):
    """What the simulator reads of its device's settings."""

    detector: Literal["eiger2-1m", "eiger2-500k"] = "eiger2-1m"
    stream: Literal["cbor", "legacy"] = "cbor"
    stream_port: int | None = None
    initialized: bool = Field(default=False, description="whether somebody has initialized it since it was switched on")
    holds_last_image: bool = Field(default=False, description="until it is disarmed")
    fresh_every: int = Field(
        default=1, ge=1, description="frames in which noise is drawn anew once; those between are the same ones"
    )


class Eiger(WebInstrument):
    """The detector. See :class:`~simulators.wire.instrument.Simulated` for the arguments."""

    INITIALIZE_S, ARM_S = 2.0, 0.2

    def __init__(self, name: str, entry: DeviceEntry, config: InstrumentConfig, plant: Plant):
        super().__init__(name, entry, config, plant)
        if plant.xray is None:
            raise BadInputError(f"{config.name}: devices.{name}: this bench has no X-ray side")
        self._xray = plant.xray
        self._own = bench_settings(EigerOnBench, name, entry, config)
        pixels = DETECTORS[self._own.detector]
        excluded = int((pixels.gaps() | pixels.dead()).sum())
        self.config = Config(pixels.rows, pixels.columns, f"Simulated {self._own.detector.upper()}", excluded)
        self._stream_config = {
            "format": Item("legacy", allowed=("legacy", "cbor"), writable=True),
            "header_detail": Item("basic", allowed=("all", "basic", "none"), writable=True),
            "mode": Item("disabled", allowed=("enabled", "disabled"), writable=True),
        }
        self._sender = Sender(name)
        self._port: int | None = None
        self._format: Format = Legacy()
        self._state = "idle" if self._own.initialized else "na"
        self._series = self._number = self._triggers_left = self._frames = 0
        self._series_open = False
        self._series_begun_s: float | None = None
        self._held: list[bytes] | None = None
        self._acquisition: asyncio.Task[None] | None = None
        self._last: np.ndarray[Any, np.dtype[Any]] | None = None
        self._numbered: dict[str, float] = {}
        self._on: set[str] = set()
        switches = ("detector_error", "duplicate_end", "other_series", "stuck", "no_high_voltage", "wrong_set_point")
        self.faults = {
            **{switch: partial(self._switch, switch) for switch in switches},
            **{what: partial(self._spoil, what) for what in ("drop_frame", "duplicate_frame", "truncate_frame")},
            "stream_delay": self._delay_stream,
        }

    # What the web server asks for.

    async def open(self, host: str, *, any_port: bool, clock: Clock, advance: Callable[[], None]) -> str:
        """Open the stream."""
        self._clock, self._advance = clock, advance
        port = self._port or (0 if any_port else self._own.stream_port or _PORTS[self._own.stream])
        self._port = self._sender.open(host, port)
        return f"?stream_port={self._port}"

    async def close(self) -> None:
        """Stop and close the stream."""
        await self._stop_acquisition()
        await self._sender.close()

    def go_silent(self, on: bool) -> None:
        """Send no frames, or go on."""
        self._sender.silent = on
        self._sender.look()

    async def answer(self, method: str, path: str, body: bytes) -> WebReply:
        """Handle a request."""
        try:
            return WebReply(200, await self._answer(method, path, body))
        except RefusedError as refused:
            return WebReply(refused.status, str(refused).encode())

    def truth(self) -> dict[str, Any]:
        """Its state, and what it sent."""
        return {
            "state": self._state,
            "series": self._series,
            "frames": self._frames,
            "messages_sent": self._sender.sent,
            "dropped": self._sender.dropped,
            "exposure_s": self.config["count_time"],
        }

    async def _answer(self, method: str, path: str, body: bytes) -> bytes:
        match [method, *path.removeprefix("/").split("/", 4)]:
            case ["GET", "detector" | "stream", "api", "version"]:
                return Item(VERSION).encode()
            case ["GET", "detector", "api", version, "status", key] if version == VERSION:
                return self._status(key).encode()
            case ["PUT", "detector", "api", version, "command", command] if version == VERSION:
                return await self._command(command, body)
            case [_, "detector", "api", version, "config", key] if version == VERSION:
                return self._configure(method, key, body)
            case [_, "stream", "api", version, "config", key] if version == VERSION and key in self._stream_config:
                return self._configure_stream(method, key, body)
            case ["GET", "stream", "api", version, "status", "dropped"] if version == VERSION:
                return Item(self._sender.dropped).encode()
            case _:
                raise RefusedError(404, f'error during request: path error: unknown path: "{path[:80]}"')

    def _status(self, key: str) -> Item:
        if key == "state":
            return Item("error" if "detector_error" in self._on else self._state)
        if self._state == "na":
            raise RefusedError(404, f"Parameter {key} does not exist")  # documentation, page 31, caution 9
        known = {
            "high_voltage/state": Item("RAMPING" if "no_high_voltage" in self._on else "READY"),
            "temperature": Item(24.5, "degC"),
            "humidity": Item(2.0, "percent"),
            "error": Item([]),
        }
        if key not in known:
            raise RefusedError(404, f"Parameter {key} does not exist")
        return known[key]

    def _configure(self, method: str, key: str, body: bytes) -> bytes:
        if self._state == "na" or key not in self.config.items:
            raise RefusedError(404, f"Parameter {key} does not exist")
        if method == "GET":
            return self.config.items[key].encode()
        if method != "PUT":
            raise RefusedError(405, f"{method} is not allowed")
        if self._state != "idle":
            raise RefusedError(400, f"{key} cannot be set in the state {self._state}")
        changed = self.config.put(key, body)
        if key == "count_time" and "wrong_set_point" in self._on:
            changed = self.config.put(key, json.dumps({"value": 0.5 * self.config[key]}).encode())
        return json.dumps(changed).encode()

    def _configure_stream(self, method: str, key: str, body: bytes) -> bytes:
        if method == "GET":
            return self._stream_config[key].encode()
        if method != "PUT":
            raise RefusedError(405, f"{method} is not allowed")
        self._stream_config[key].put(body)
        return json.dumps([key]).encode()

    # Commands.

    async def _command(self, command: str, body: bytes) -> bytes:
        if body.strip() not in (b"", b"{}"):
            raise RefusedError(400, f"{command} takes no body")
        if "detector_error" in self._on and command != "initialize":
            raise RefusedError(400, f"{command} is not possible in the state error")
        match command:
            case "initialize":
                await self._stop_acquisition()
                self._state = "initialize"
                await self._pass(self.INITIALIZE_S)
                self._on.discard("detector_error")
                self._state, self._series = "idle", 0
                return b""
            case "arm":
                return await self._arm()
            case "trigger":
                return await self._trigger()
            case "disarm" | "cancel" | "abort":
                return await self._end(command)
            case _:
                raise RefusedError(404, f'error during request: path error: unknown path: "{command[:40]}"')

    async def _arm(self) -> bytes:
        self._allow("arm", "idle", "ready")
        self._end_series()
        self._state = "configure"
        await self._pass(self.ARM_S)
        self._series += 1
        self._number, self._triggers_left = 0, self.config["ntrigger"]
        self._series_open, self._series_begun_s = True, None
        self._sender.dropped = 0
        self._format = Cbor() if self._stream_config["format"].value == "cbor" else Legacy()
        self._put(self._format.start(self._series, self.config.values()))
        self._state = "ready"
        told = self._series + 1000 if "other_series" in self._on else self._series
        return json.dumps({"sequence id": told}).encode()

    async def _trigger(self) -> bytes:
        self._allow("trigger", "ready")
        if self.config["trigger_mode"] != "ints":
            raise RefusedError(400, "trigger is not possible in this trigger mode")
        self._state = "acquire"
        self._acquisition = acquisition = asyncio.ensure_future(self._acquire())
        await asyncio.wait([acquisition])
        if acquisition.cancelled():
            raise RefusedError(400, "the acquisition was stopped")
        acquisition.result()
        return b""

    async def _end(self, command: str) -> bytes:
        self._allow(command, "idle", "ready", "acquire")
        if "stuck" in self._on:
            return json.dumps({"sequence id": self._series}).encode()
        await self._stop_acquisition()
        if command == "abort":
            self._sender.clear()
            self._held = None
        self._release()
        self._end_series()
        self._state = "idle"
        return json.dumps({"sequence id": self._series}).encode()

    def _allow(self, command: str, *states: str) -> None:
        if self._state not in states:
            raise RefusedError(400, f"{command} is not possible in the state {self._state}")

    async def _stop_acquisition(self) -> None:
        if self._acquisition is not None:
            self._acquisition.cancel()
            await asyncio.wait([self._acquisition])
            self._acquisition = None

    # Frames.

    async def _acquire(self) -> None:
        begun_s = self._clock.now_s()
        if self._series_begun_s is None:
            self._series_begun_s = begun_s
        count_s, frame_s, images = self.config["count_time"], self.config["frame_time"], self.config["nimages"]
        for k in range(images):
            start_s = begun_s + k * frame_s
            await self._pass(start_s + count_s - self._clock.now_s())
            self._advance()
            self._send_frame(k, last=k == images - 1, start_s=start_s - self._series_begun_s, count_s=count_s)
        await self._pass(begun_s + images * frame_s - self._clock.now_s())
        self._triggers_left -= 1
        if self._triggers_left:
            self._state = "ready"
        else:  # it disarms by itself; documentation, page 7
            if self._held is None:
                self._end_series()
            self._state = "idle"

    def _send_frame(self, k: int, *, last: bool, start_s: float, count_s: float) -> None:
        if self._last is None or self._frames % self._own.fresh_every == 0:
            self._last = self._xray.frame(self._own.detector, count_s)
        image = pixels_of(self._last, self.config["bit_depth_image"], self.config["countrate_correction_count_cutoff"])
        shot = Shot(self._series, self._number, image, start_s, start_s + count_s)
        self._number += 1
        self._frames += 1
        spoilt = {what for what, number in self._numbered.items() if number == k}
        parts = self._format.image(shot, self.config["compression"])
        if "truncate_frame" in spoilt:
            parts = self._truncated(parts, shot)
        if "drop_frame" in spoilt:
            return
        if last and self._own.holds_last_image:
            self._held = parts
            return
        for _ in range(2 if "duplicate_frame" in spoilt else 1):
            self._put(parts, is_image=True)

    def _truncated(self, parts: list[bytes], shot: Shot) -> list[bytes]:
        """The message with half of the pixels; of CBOR, half of the message."""
        longest = max(range(len(parts)), key=lambda index: len(parts[index]))
        return [part[: len(part) // 2] if index == longest else part for index, part in enumerate(parts)]

    def _release(self) -> None:
        if self._held is not None:
            self._put(self._held, is_image=True)
            self._held = None

    def _end_series(self) -> None:
        if self._series_open:
            self._series_open = False
            for _ in range(2 if "duplicate_end" in self._on else 1):
                self._put(self._format.end(self._series))

    def _put(self, parts: list[bytes], *, is_image: bool = False) -> None:
        if self._stream_config["mode"].value == "enabled":
            self._sender.put(parts, is_image=is_image)

    async def _pass(self, plant_s: float) -> None:
        await asyncio.sleep(max(self._clock.real_s(plant_s), 0.0))

    # Faults.

    def _switch(self, fault: str, on: bool) -> None:
        (self._on.add if on else self._on.discard)(fault)

    def _spoil(self, what: str, on: bool, *, number: float = 0.0) -> None:
        """Of each exposure, the frame of this number."""
        if on:
            self._numbered[what] = number
        else:
            self._numbered.pop(what, None)

    def _delay_stream(self, on: bool, *, delay_s: float = 1.0) -> None:
        if not 0.0 <= delay_s <= 3600.0:
            raise BadInputError(f"delay_s = {delay_s:g} is outside 0…3600")
        self._sender.delay_s = delay_s if on else 0.0
