import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flowlab.bench import Bench
from flowlab.config import load_instrument, load_material, load_recipe
from flowlab.config.paths import shipped_config
from flowlab.errors import BadInputError
from tests.instruments import UV_VIS

SHIPPED = Path(UV_VIS)

#: What is shipped.
INSTRUMENTS = ("beamline-epics", "lab-serial", "simulated-flow")


@pytest.fixture
def edited(tmp_path):
    """The shipped instrument file with one thing changed."""

    def edit(old: str, new: str) -> Path:
        text = SHIPPED.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "edited.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return edit


def test_everything_that_is_shipped_loads():
    assert load_instrument("simulated-flow").name == "simulated-flow"
    for path in (shipped_config() / "materials").glob("*.toml"):
        assert load_material(path.stem).name == path.stem
    for path in (shipped_config() / "recipes").glob("*.toml"):
        assert load_recipe(path.stem).parameters


def test_devices_are_built_after_the_ones_they_are_made_of():
    order = load_instrument(UV_VIS).build_order()
    assert order.index("reactor") > max(order.index(n) for n in ("cadmium_pump", "growth_heater"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("speed = 200.0", "sped = 200.0", "clock.sped: there is no such key; allowed: speed"),
        ("speed = 200.0", 'speed = "fast"', "clock.speed = 'fast': input should be a valid number"),
        ("speed = 200.0", "speed = -1", "clock.speed = -1: input should be greater than 0"),
        ("speed = 200.0", "speed = nan", "clock.speed = nan: input should be"),
        ("schema = 1", "schema = 2", "schema = 2: input should be 1"),
        ("mixer_ml = 0.002\n", "", "flow_path.mixer_ml: this key is missing"),
        ("[clock]", "[clok]", "clok: there is no such key; allowed: schema, name, description, material, clock,"),
        ('class = "devices.harvard:PhdUltra"', 'class = "devices.harvard"', "is not of the form 'package.module:Name'"),
        ('growth = "growth_heater" }', 'growth = "oven" }', "devices.reactor.parts names the device 'oven'; there are"),
        ("[devices.cadmium_pump]", "[devices.Cadmium-Pump]", "must be lower case letters"),
        ("[clock]", "[clock", "is not valid TOML"),
        ('safe_state = ["nucleation_heater"', 'safe_state = ["kettle"', "safe_state names the device 'kettle'"),
        (
            'safe_state = ["nucleation_heater", "growth_heater", ',
            "safe_state = [",
            "safe_state leaves out nucleation_heater, growth_heater: name every device that has an address",
        ),
        ("speed = 200.0", "speed = true", "clock.speed = True: input should be a valid number"),
        ("speed = 200.0", 'speed = "7"', "clock.speed = '7': input should be a valid number"),
        ("seed = 1", 'seed = "7"', "simulation.seed = '7': input should be a valid integer"),
        ("seed = 1", "seed = 1.0", "simulation.seed = 1.0: input should be a valid integer"),
        ("schema = 1", "schema = true", "schema = True: must be a whole number"),
        ("schema = 1", "schema = 1.0", "schema = 1.0: must be a whole number"),
        ("schema = 1", "schema_version = 1", "schema_version: there is no such key"),
        ("class =", "class_ =", "devices.cadmium_pump.class_: there is no such key"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_key_value_and_what_is_allowed(edited, old, new, message):
    path = edited(old, new)
    with pytest.raises(BadInputError) as error:
        load_instrument(path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert message in text
    assert "\n" not in text


def test_real_hardware_may_not_run_fast(edited, tmp_path):
    text = SHIPPED.read_text(encoding="utf-8").split("\n[simulation]\n")[0]
    path = tmp_path / "real.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInputError, match="clock.speed is 200, but without a"):
        load_instrument(path)


def test_a_default_that_follows_from_a_wrong_value_is_no_second_complaint(edited):
    path = edited("baudrate = 19200", "baudrate = 0")
    message = r"devices.nucleation_heater.settings.baudrate = 0: input should be greater than 0$"
    with pytest.raises(BadInputError, match=message), Bench(load_instrument(str(path)), str(path)):
        pass


def test_values_that_do_not_go_together_are_told_with_the_table_they_stand_in(edited):
    path = edited("lowest_c = 15.0", "lowest_c = 25.0")
    message = "edited.toml: devices.nucleation_heater.settings: lowest_c 25 ≤ safe_c 20 ≤ highest_c 360 does not hold"
    with pytest.raises(BadInputError, match=message), Bench(load_instrument(str(path)), str(path)):
        pass


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit = 2", "unit = 1", "growth_heater: is at socket://127.0.0.1:50103, unit 1, as nucleation_heater is"),
        (
            "127.0.0.1:50102",
            "127.0.0.1:50101",
            "selenium_pump: is at socket://127.0.0.1:50101, unit 0, as cadmium_pump is",
        ),
    ],
)
def test_two_instruments_do_not_stand_in_one_place(edited, old, new, message):
    path = edited(old, new)
    with pytest.raises(BadInputError, match=message), Bench(load_instrument(str(path)), str(path)):
        pass


def test_devices_that_are_made_of_one_another_are_refused(edited):
    path = edited(
        'address = "socket://127.0.0.1:50101"', 'address = "socket://127.0.0.1:50101"\nparts = { a = "reactor" }'
    )
    with pytest.raises(BadInputError, match="in a circle: cadmium_pump, reactor"):
        load_instrument(path)


@pytest.mark.parametrize("name", ["nowhere", "no/such/file.toml", "../config/instruments/simulated-flow"])
def test_a_file_that_is_not_there_is_said_so_with_what_there_is(name):
    with pytest.raises(BadInputError, match="there is no such file; instruments that are shipped: .*simulated-flow"):
        load_instrument(name)


def test_a_whole_number_will_do_where_a_fraction_is_allowed(edited):
    assert load_instrument(edited("speed = 200.0", "speed = 200")).clock.speed == 200.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'accumulating_family = "CdSe-437"',
            'accumulating_family = "CdSe-473"',
            "accumulating_family = 'CdSe-473': there is no such family; there are CdSe-350, CdSe-380,",
        ),
        ("[350.0, 680.0]", "[680.0, 350.0]", "must be two wavelengths, the shorter one first"),
        ("[350.0, 680.0]", "[350.0, 680.0, 700.0]", "sizing.valid_nm = [350.0, 680.0, 700.0]: "),
        ("[350.0, 680.0]", '["350", 680.0]', "sizing.valid_nm.0 = '350': input should be a valid number"),
        ('name = "CdSe-380"', 'name = "CdSe-350"', "families: two have the name 'CdSe-350'; each must have its own"),
        ("wavelength_nm = 380.0", "wavelength_nm = 350", "families: two have the wavelength_nm 350.0"),
        ("units_per_nm3 = 18.31", 'units_per_nm3 = "18.31"', "units_per_nm3 = '18.31': input should be a valid number"),
    ],
)
def test_a_mistake_in_a_material_is_told_as_well(tmp_path, old, new, message):
    text = (shipped_config() / "materials" / "CdSe.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInputError) as error:
        load_material(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_toml_that_is_nested_without_end_is_refused(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text(f"a = {'[' * 5000}{']' * 5000}", encoding="utf-8")
    with pytest.raises(BadInputError, match="nested too deeply"):
        load_instrument(path)


def test_a_name_that_no_file_can_have_is_that_of_no_file():
    with pytest.raises(BadInputError, match="there is no such file"):
        load_material("x" * 300)


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="is not UTF-8 text"):
        load_instrument(path)


def test_the_wheel_carries_the_configuration_and_finds_it(tmp_path):
    root = Path(__file__).parents[3]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    # With what is installed here: an isolated build would fetch its tools from the network.
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(root)]
    built = subprocess.run(build, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    for name in INSTRUMENTS:
        assert f"flowlab/_shipped/config/instruments/{name}.toml" in names
    assert "simulators/plant/cdse.toml" in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "flowlab",
        "devices",
        "plans",
        "simulators",
    }
    # Only the unpacked wheel and the libraries are on the path: no checkout, no editable install.
    path = [str(tmp_path / "site"), *(entry for entry in sys.path if entry.endswith("site-packages"))]
    code = (
        f"import sys; sys.path[:0] = {path!r}; from flowlab.config.paths import find_config; "
        f"print(*(find_config('instruments', name) for name in {INSTRUMENTS!r}), sep='\\n')"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path
    ).stdout.splitlines()
    shipped = tmp_path / "site" / "flowlab" / "_shipped" / "config" / "instruments"
    assert [Path(line) for line in found] == [shipped / f"{name}.toml" for name in INSTRUMENTS]
