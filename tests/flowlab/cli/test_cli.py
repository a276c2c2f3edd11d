"""The command line as its user meets it: a process, its output, its exit code."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flowlab import __version__
from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.recorder import ResultsRecorder
from flowlab.stream import Recorder, RunStore, read_journal
from tests.instruments import UV_VIS
from tests.simulators.benches import served
from tests.support import PANELS, documents_of_a_scan, is_safe

SCAN = {"temperatures_c": [40.0], "residence_times_s": [45.0, 50.0, 55.0, 60.0], "steady": {"flush_volumes": 1.2}}
#: Wavelengths and two spectra.
ROWS = "".join(f"{400 + i},0.{i + 1},0.{i + 2}\n" for i in range(12))


def flowlab(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowlab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=100)


def complaint(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command writes."""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert lines[0].startswith("flowlab: ")
    return lines[0]


@pytest.fixture
def kept(tmp_path):
    recorder = Recorder(RunStore(tmp_path).open_documents)
    for name, doc in documents_of_a_scan(PANELS, clusters=(270.0,)):
        recorder(name, doc)
    recorder.close()
    return tmp_path


def addressed(path: Path, addresses: dict[str, str], speed: float = 400.0, instrument: str = UV_VIS) -> Path:
    """An instrument file with other addresses, as a user would write it."""
    text = Path(instrument).read_text(encoding="utf-8")
    head, *tables = text.replace("speed = 200.0", f"speed = {speed}").split("[devices.")
    for i, table in enumerate(tables):
        name = table.split("]")[0]
        if name in addresses and "address = " in table:
            before, _, rest = table.partition('address = "')
            tables[i] = f'{before}address = "{addresses[name]}"{rest[rest.index(chr(34)) + 1 :]}'
    path.write_text("[devices.".join([head, *tables]), encoding="utf-8")
    return path


def test_version():
    result = flowlab("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"flowlab {__version__}\n", "")


def test_nothing_asked_is_help():
    assert flowlab().stdout == flowlab("--help").stdout


def test_help_tells_every_command():
    result = flowlab("--help")
    assert result.returncode == 0
    commands = "demo simulate fault run replay report export check plans devices interlocks safe-state"
    for command in commands.split():
        assert command in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "No such command 'chek'"),
        (["demo", "--speed", "fast"], "Invalid value for '--speed'"),
        (["demo", "--speed", "0"], "Invalid value for '--speed'"),
        (["demo", "--playback", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (
            ["check", "nowhere.toml"],
            "there is no such file; instruments that are shipped: beamline-epics, lab-serial, simulated-flow",
        ),
        (["export", "nowhere", "--format", "csv"], "nowhere: there is no such file, nor a run of that uid"),
        (["export", "nowhere", "--format", "pdf"], "'pdf' is not one of 'csv', 'nxcansas', 'nexus'"),
        (["replay", "nowhere"], "nowhere: there is no such file, nor a run of that uid"),
        (["report", "nowhere", "-o", "x.html"], "nowhere: there is no such file, nor a run of that uid"),
        (["report", "nowhere"], "Missing option '--out' / '-o'"),
        (["plans", "boil"], "no plan 'boil'; there are calibrate_q, nucleation_scan, precursor_blank, prime, refill"),
        (["run", UV_VIS, "boil"], "no plan 'boil'"),
        (["run", UV_VIS, "temperature_scan", "{"], "the parameters are not JSON"),
        (["run", UV_VIS, "temperature_scan", '{"a": 1, "a": 2}'], "have 'a' twice; each may be given once"),
        (["run", UV_VIS, "temperature_scan", "[]"], "the parameters are a list; give a JSON object"),
        (["run", UV_VIS, "temperature_scan", "{}"], "nucleation_c: this key is missing"),
        (
            ["run", UV_VIS, "residence_time_scan", json.dumps(SCAN | {"detectors": ["uv-vis", "pl"]})],
            'detectors has "pl", but the instrument file gives this plan no fluorometer and led',
        ),
        (["simulate", "nowhere"], "nowhere: there is no such file"),
        (["interlocks", "--ack", "flood"], "'flood' is not latched; latched are: none"),
        (["fault", "stall"], "stall at which device? give one: flowlab fault stall DEVICE"),
        (["fault", "cut", "pump", "often"], "'often' is not an option: give NAME=NUMBER"),
        (["fault", "--control", "here"], "control port 'here': give it as 127.0.0.1:PORT"),
        (["check", "x" * 300], "x: there is no such file"),
        (["report", "x" * 300, "-o", "x.html"], "x: cannot be looked up: File name too long"),
        (["replay", "x" * 300], "x: cannot be looked up: File name too long"),
        (["run", UV_VIS, "temperature_scan", "[" * 100_000], "the parameters are nested too deeply"),
        (
            ["run", UV_VIS, "temperature_scan", '{"nucleation_c": [280], "residence_time_s": 14}'],
            "plan temperature_scan: give the growth temperatures either as growth_offsets_c or as growth_c",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    result = flowlab(*arguments, cwd=tmp_path)
    assert message in complaint(result)
    assert result.returncode == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Wavelength (nm),0 s,20 s\n" + ROWS, "the column '0 s' is of no time after mixing; it must be above 0 s"),
        ("Wavelength (nm),20 s,-5 s\n" + ROWS, "the column '-5 s' is of no time after mixing; it must be above 0 s"),
        (f"Wavelength (nm),{'9' * 400} s,20 s\n" + ROWS, "is of no time after mixing"),
        ("Wavelength (nm),20 s\n400," + "1" * 131_073, "holds no table of numbers"),
    ],
)
def test_a_series_that_cannot_be_played_back_is_refused_before_anything_is_started(tmp_path, text, message):
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    result = flowlab("demo", "--playback", path, "--out", tmp_path / "runs")
    assert message in complaint(result)
    assert result.returncode == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("speed = 200.0", "sped = 200.0", "clock.sped: there is no such key"),
        (
            "unit = 1",
            'unit = "one"',
            "devices.nucleation_heater.settings.unit = 'one': input should be a valid integer",
        ),
        ("unit = 1", "unnit = 1", "devices.nucleation_heater.settings.unnit: there is no such key"),
        ("safe_c = 20.0", "safe_c = 500.0", "safe_c 500"),
        ('syringe = "glass_50ml"', 'syringe = "glass"', "there is no such syringe; there are glass_50ml"),
        ("devices.ocean:OceanHdx", "devices.ocean:Spectro", "devices.ocean has no Spectro"),
        ("devices.ocean:OceanHdx", "devices.ozean:OceanHdx", "there is no module 'devices.ozean'"),
        (
            "devices.ocean:OceanHdx",
            "devices.reactor_parts:_parts",
            "'devices.reactor_parts:_parts' is no class of a device",
        ),
        ("devices.ocean:OceanHdx", "fractions:Fraction", "'fractions:Fraction' is no class of a device"),
        ("devices.ocean:OceanHdx", "wants_more:Spectrometer", "cannot be loaded: cannot import name 'nothing' from"),
        ("plans.temperature_scan:temperature_scan", "plans.scan:CELSIUS", "'plans.scan:CELSIUS' is no function"),
        ('"tcp://127.0.0.1:57357"', '"127.0.0.1:57357"', "is not of the form tcp://"),
        (
            'material = "CdSe"',
            'material = "CdX"',
            "CdX: there is no such file; materials that are shipped: CdS, CdSe, CdTe",
        ),
    ],
)
def test_check_finds_mistakes_anywhere_in_an_instrument_file(tmp_path, old, new, message):
    text = Path(UV_VIS).read_text(encoding="utf-8")
    path = tmp_path / "my.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    (tmp_path / "wants_more.py").write_text("from fractions import nothing\n", encoding="utf-8")
    result = flowlab("check", path, cwd=tmp_path)
    assert message in complaint(result)
    assert result.returncode == 2


def test_check_says_that_a_good_file_is_well():
    result = flowlab("check", "simulated-flow")
    assert (result.returncode, result.stderr) == (0, "")
    assert "is well: 19 devices, 9 plans, 7 interlocks, material CdSe, simulated" in result.stdout


def test_plans_gives_json_schemas():
    schemas = json.loads(flowlab("plans", "--json").stdout)
    assert schemas["temperature_scan"]["properties"]["nucleation_c"]["units"] == "°C"
    assert json.loads(flowlab("plans", "temperature_scan", "--json").stdout) == schemas["temperature_scan"]
    assert "nucleation_c [°C]" in flowlab("plans", "temperature_scan").stdout


def test_safe_state_can_be_rehearsed_without_an_instrument():
    result = flowlab("safe-state", "-c", UV_VIS, "--dry-run")
    assert result.returncode == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "nucleation_heater",
        "growth_heater",
        "cadmium_pump",
        "selenium_pump",
        "spectrometer",
    ]


def test_report_and_replay_of_a_kept_run(kept, tmp_path):
    out = tmp_path / "out" / "report.html"
    (uid,) = [stored.name.rpartition("-")[2] for stored in kept.iterdir() if stored.is_dir()]
    result = flowlab("report", uid, "-o", out, "--data", kept)
    assert result.returncode == 0, result.stderr
    assert "270 °C" in result.stdout
    assert out.is_file()
    replayed = json.loads(flowlab("replay", uid, "--data", kept, "--json").stdout)
    assert replayed["identical"] is None
    assert replayed["window_c"] == [270.0, 270.0]


@pytest.mark.parametrize(("why", "code"), [(None, 0), ("somebody had another opinion", 1)])
def test_a_replay_fails_when_its_results_are_not_the_recorded_ones(kept, why, code):
    store = RunStore(kept)
    (journal,) = kept.glob("*/documents.journal")
    results, analyzer = ResultsRecorder(store, None), Analyzer(load_material)
    for message in read_journal(journal):
        for name, doc in analyzer.take(message.name, message.doc):
            if why is not None and "not_found" in doc.get("data", {}):
                doc["data"]["why"] = why
            results.take(name, doc)
    results.close()
    result = flowlab("replay", journal, "--json")
    assert json.loads(result.stdout)["identical"] is (why is None)
    assert result.returncode == code


def test_a_folder_is_no_page_to_write(kept, tmp_path):
    (journal,) = kept.glob("*/documents.journal")
    result = flowlab("report", journal, "-o", tmp_path)
    assert f"{tmp_path}: is a folder; name the page" in complaint(result)
    assert result.returncode == 2


def test_what_cannot_be_written_is_one_line_and_exit_code_1(kept, tmp_path):
    (journal,) = kept.glob("*/documents.journal")
    (tmp_path / "a-file").write_text("")
    for arguments in (
        ["report", journal, "-o", tmp_path / "a-file" / "x.html"],
        ["demo", "--out", tmp_path / "a-file"],
    ):
        result = flowlab(*arguments)
        assert f"{tmp_path / 'a-file'}" in complaint(result)
        assert result.returncode == 1


def test_a_reader_that_has_had_enough_is_told_nothing_more():
    inward, outward = os.pipe()
    os.close(inward)
    try:
        command = [sys.executable, "-m", "flowlab", "plans"]
        result = subprocess.run(command, stdout=outward, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(outward)
    assert (result.returncode, result.stderr) == (1, "")


def test_output_that_finds_no_room_is_one_line_and_exit_code_1():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "flowlab", "plans"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (1, "flowlab: No space left on device\n")


def test_a_material_that_nobody_knows_is_bad_input_before_anything_is_started(tmp_path):
    text = Path(UV_VIS).read_text(encoding="utf-8")
    path = tmp_path / "my.toml"
    path.write_text(text.replace('"CdSe"', '"CdX"'), encoding="utf-8")
    result = flowlab("run", path, "residence_time_scan", json.dumps(SCAN), "--data", tmp_path / "data")
    assert "CdX: there is no such file; materials that are shipped: CdS, CdSe, CdTe" in complaint(result)
    assert result.returncode == 2
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_said_with_device_and_address(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = addressed(tmp_path / "my.toml", {"spectrometer": f"tcp://127.0.0.1:{port}"})
        # The other addresses are free ones too: another test may use the shipped ports.
        free = {name: f"socket://127.0.0.1:{free_port()}" for name in ("cadmium_pump", "selenium_pump")}
        heaters = f"socket://127.0.0.1:{free_port()}"
        path = addressed(
            path,
            {**free, "nucleation_heater": heaters, "growth_heater": heaters, "spectrometer": f"tcp://127.0.0.1:{port}"},
        )
        result = flowlab("simulate", path)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "spectrometer" in line
    assert str(port) in line


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_an_instrument_that_is_not_there_is_one_line_and_exit_code_1(tmp_path):
    nowhere = {
        name: f"socket://127.0.0.1:{free_port()}"
        for name in ("cadmium_pump", "selenium_pump", "nucleation_heater", "growth_heater")
    }
    path = addressed(tmp_path / "my.toml", {**nowhere, "spectrometer": f"tcp://127.0.0.1:{free_port()}"})
    result = flowlab("run", path, "residence_time_scan", json.dumps(SCAN), "--data", tmp_path / "data")
    assert "cadmium_pump: cannot open socket://127.0.0.1:" in complaint(result)
    assert "is it switched on" in result.stderr
    assert result.returncode == 1
    assert flowlab("safe-state", "-c", path).returncode == 1


@pytest.fixture(scope="module")
def lab():
    with served(UV_VIS, "--any-port", "--speed", "400") as lab:
        yield lab


def test_a_plan_runs_on_an_instrument_that_somebody_else_started(lab, tmp_path):
    path = addressed(tmp_path / "my.toml", lab.addresses)
    result = flowlab("run", path, "residence_time_scan", json.dumps(SCAN), "--data", tmp_path / "data", "--json")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^documents  tcp://127\.0\.0\.1:\d+$", result.stderr, re.MULTILINE)
    folder = Path(json.loads(result.stdout)["folder"])
    assert {"documents.journal", "results.journal", "run.nxs", "report.html"} <= {p.name for p in folder.iterdir()}
    assert is_safe(lab.ask(truth=True))
    safe = flowlab("safe-state", "-c", path)
    assert (safe.returncode, safe.stderr) == (0, "")
    assert all(line.endswith(" safe") for line in safe.stdout.splitlines()), safe.stdout


def test_a_plan_that_measures_nothing_runs_and_has_no_report(lab, tmp_path):
    path = addressed(tmp_path / "my.toml", lab.addresses)
    result = flowlab("run", path, "prime", '{"volumes": 1.0}', "--data", tmp_path / "data")
    assert result.returncode == 0, result.stderr
    (folder,) = (tmp_path / "data").glob("*-prime-*")
    assert f"prime is done; there is nothing to analyse.\n\njournal  {folder / 'documents.journal'}\n" in result.stdout
    assert [p.name for p in folder.iterdir()] == ["documents.journal"]


def test_a_limit_is_refused_with_exit_code_2_and_nothing_moves(lab, tmp_path):
    path = addressed(tmp_path / "my.toml", lab.addresses)
    before = lab.ask(truth=True)["instruments"]["nucleation_heater"]["working_set_point_c"]
    scan = {**SCAN, "temperatures_c": [500.0]}
    result = flowlab("run", path, "residence_time_scan", json.dumps(scan), "--data", tmp_path / "data")
    assert "nucleation_heater: set point 500 °C is outside 15…360 °C" in complaint(result)
    assert result.returncode == 2
    assert lab.ask(truth=True)["instruments"]["nucleation_heater"]["working_set_point_c"] == before
    assert is_safe(lab.ask(truth=True))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_interrupted_ends_safe_with_its_stop_document(lab, tmp_path, number, code):
    path = addressed(tmp_path / "my.toml", lab.addresses)
    scan = {**SCAN, "temperatures_c": [60.0], "residence_times_s": [45.0 + i for i in range(60)]}
    command = [sys.executable, "-m", "flowlab", "run", path, "residence_time_scan", json.dumps(scan)]
    data = tmp_path / "data"
    with subprocess.Popen([*map(str, command), "--data", str(data)], stderr=subprocess.PIPE, text=True) as process:
        while not heated(lab):
            assert process.poll() is None
        os.kill(process.pid, number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    (folder,) = (path.parent for path in data.glob("*/documents.journal"))
    ended = "flowlab: interrupted: the plan was aborted; the instrument is safe"
    assert stderr.splitlines()[-1] == f"{ended}; recorded in {folder}"
    assert "Traceback" not in stderr
    assert is_safe(lab.ask(truth=True))
    (stored,) = [RunStore(data).find(str(path.parent)) for path in data.glob("*/documents.journal")]
    assert last_document(stored.journal)[1]["exit_status"] == "abort"


def last_document(journal: Path) -> tuple[str, dict]:
    *_, last = read_journal(journal)
    return last.name, last.doc


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_before_the_run_began_is_one_line_and_leaves_nothing(tmp_path, number, code):
    command = [sys.executable, "-m", "flowlab", "demo", "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (family := psutil.Process(process.pid).children()):
            assert process.poll() is None
        os.kill(process.pid, number)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (code, "flowlab: interrupted\n")
    assert not psutil.wait_procs(family, timeout=30)[1]


def test_simulators_end_with_the_command_that_runs_them(tmp_path):
    command = [sys.executable, "-m", "flowlab", "simulate", UV_VIS, "--any-port"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        family = psutil.Process(process.pid).children()
        process.kill()
    assert not psutil.wait_procs(family, timeout=30)[1]


def test_simulators_that_are_killed_are_told_of():
    command = [sys.executable, "-m", "flowlab", "simulate", UV_VIS, "--any-port"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        (simulators,) = psutil.Process(process.pid).children()
        simulators.kill()
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (1, "flowlab: the simulators were killed by signal 9\n")


def test_a_terminal_that_knows_no_degrees_is_no_reason_to_fail(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = flowlab("plans", "temperature_scan")
    assert (result.returncode, result.stderr) == (0, "")
    assert "?C" in result.stdout


def heated(lab) -> bool:
    return lab.ask(truth=True)["instruments"]["nucleation_heater"]["working_set_point_c"] == 60.0


def test_preflight_tells_what_a_plan_would_do_and_refuses_what_there_is_not_enough_for(tmp_path):
    asked = {"temperatures_c": [60.0], "residence_times_s": [14.0], "blank_c": None}
    told = flowlab("plans", "residence_time_scan", "--preflight", json.dumps(asked))
    assert (told.returncode, told.stderr) == (0, "")
    assert "1  begin: 2 spectra\n" in told.stdout
    assert "2  go to 60 °C nucleation, 60 °C growth, 14 s residence: 12 min" in told.stdout
    assert "mL of cadmium (there are 1050)" in told.stdout.splitlines()[-1]
    facts = json.loads(flowlab("plans", "residence_time_scan", "--preflight", json.dumps(asked), "--json").stdout)
    assert facts["total"]["seconds_at_most"] == pytest.approx(sum(step["seconds_at_most"] for step in facts["steps"]))
    asked["residence_times_s"] = [14.0] * 100
    path = tmp_path / "little.toml"
    path.write_text(Path(UV_VIS).read_text(encoding="utf-8").replace("reservoir_ml = 1000.0", "reservoir_ml = 5.0"))
    refused = flowlab("plans", "residence_time_scan", "-c", path, "--preflight", json.dumps(asked))
    assert refused.returncode == 2
    assert "by the configuration there are 55 mL in syringe and reservoir" in complaint(refused)
