"""Codecs and simulators against what manuals and public drivers say; see tests/transcripts/README.md."""

import importlib
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from devices import errors
from flowlab.config import DeviceEntry, load_instrument
from simulators.wire.bench import Bench
from simulators.wire.instrument import Instrument
from tests.instruments import UV_VIS
from tests.simulators.benches import StandingClock, converse, say

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.toml"))
TOP = {"instrument", "source", "codec", "device", "dialogue"}
DIALOGUE = {"title", "source", "settings", "before", "exchange"}
EXCHANGE = {"sent", "sent_hex", "said", "said_hex", "encode", "decode", "then", "means", "raises", "source", "only"}


def _data(exchange: dict[str, Any], key: str) -> bytes:
    if f"{key}_hex" in exchange:
        return bytes.fromhex(exchange[f"{key}_hex"])
    return exchange[key].encode("latin-1")


def _cases() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    found = []
    for path in FILES:
        file = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(file) <= TOP, path
        for dialogue in file["dialogue"]:
            assert set(dialogue) <= DIALOGUE, (path, dialogue["title"])
            assert all(set(exchange) <= EXCHANGE for exchange in dialogue["exchange"]), (path, dialogue["title"])
            found.append((f"{path.stem}: {dialogue['title']}", file, dialogue))
    return found


CASES = _cases()
EXCHANGES = [
    pytest.param(file, exchange, id=f"{title}: {_data(exchange, 'sent')!r}")
    for title, file, dialogue in CASES
    for exchange in dialogue["exchange"]
    if exchange.get("only") != "simulator"
]


def plain(value: Any) -> Any:
    """A value as TOML has it."""
    return value.name if isinstance(value, Enum) else list(value) if isinstance(value, tuple) else value


def follow(value: Any, path: str) -> Any:
    """The attribute, or the item, that a path names."""
    for part in path.split("."):
        value = value[int(part)] if part.isdecimal() else getattr(value, part)
    return value


def understand(codec: Any, exchange: dict[str, Any], data: bytes) -> Any:
    """What the codec makes of a reply; None while it is not whole."""
    name, *arguments = exchange["decode"]
    found = getattr(codec, name)(data, *arguments)
    if found is None or "then" not in exchange:
        return found
    name, path, *arguments = exchange["then"]
    return getattr(codec, name)(follow(found, path), *arguments)


@pytest.mark.parametrize(("file", "exchange"), EXCHANGES)
def test_the_driver_writes_and_reads_what_the_source_has(file: dict[str, Any], exchange: dict[str, Any]) -> None:
    codec = importlib.import_module(file["codec"])
    sent, said = _data(exchange, "sent"), _data(exchange, "said")
    if "encode" in exchange:
        name, *arguments = exchange["encode"]
        assert getattr(codec, name)(*arguments) == sent
    if "decode" not in exchange:
        assert "encode" in exchange, "an exchange for the driver says how it writes, or how it reads, or both"
        return
    for data in (said, said + said):  # alone, and with more behind it
        if "raises" in exchange:
            with pytest.raises(getattr(errors, exchange["raises"])):
                understand(codec, exchange, data)
        elif isinstance(exchange["means"], dict):
            found = understand(codec, exchange, data)
            seen = {path: plain(follow(found, path)) for path in exchange["means"]}
            assert seen == pytest.approx(exchange["means"])
        else:
            assert plain(understand(codec, exchange, data)) == pytest.approx(exchange["means"])
    for end in range(len(said)):
        assert understand(codec, {"decode": exchange["decode"]}, said[:end]) is None


def simulator(file: dict[str, Any], dialogue: dict[str, Any]) -> Instrument:
    """The simulated instrument that a file names, in the state in which a dialogue begins."""
    table = dict(file["device"])
    name = table.pop("name")
    table["settings"] = table.get("settings", {}) | dialogue.get("settings", {})
    config = load_instrument(UV_VIS)
    devices = config.devices | {name: DeviceEntry.model_validate(table)}
    instrument = Bench(config.model_copy(update={"devices": devices}), StandingClock()).instruments[name]
    assert isinstance(instrument, Instrument)
    for data in dialogue.get("before", []):
        say(instrument, data.encode("latin-1"))
    return instrument


@pytest.mark.parametrize("how", ["whole", "bytes", "trailing"])
@pytest.mark.parametrize(("file", "dialogue"), [pytest.param(f, d, id=title) for title, f, d in CASES])
def test_the_simulator_says_what_the_source_has(file: dict[str, Any], dialogue: dict[str, Any], how: str) -> None:
    exchanges = [e for e in dialogue["exchange"] if e.get("only") != "driver"]
    if exchanges:
        converse(simulator(file, dialogue), [(_data(e, "sent"), _data(e, "said")) for e in exchanges], how)


def test_every_transcript_names_its_source() -> None:
    assert FILES
    for title, file, _ in CASES:
        assert file["source"], title
