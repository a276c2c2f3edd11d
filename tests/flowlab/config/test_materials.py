import itertools
import re

import numpy as np
import pytest

from flowlab.analysis.sizing import size
from flowlab.config import load_material
from flowlab.config.load import ConfigError
from flowlab.config.paths import shipped_config
from flowlab.live.knowledge import curve_of

NAMES = sorted(path.stem for path in (shipped_config() / "materials").glob("*.toml"))


def test_the_materials_of_the_field_are_shipped():
    assert {"CdSe", "CdTe", "CdS", "ZnSe", "InP", "PbS", "InSb"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_material_says_where_each_number_is_from_or_why_there_is_none(name):
    material = load_material(name)
    assert material.name == name
    assert material.sizing is not None or material.no_sizing
    assert material.families or material.no_families
    assert all(len(family.source) > 10 for family in material.families)
    text = (shipped_config() / "materials" / f"{name}.toml").read_text(encoding="utf-8")
    assert re.search(r"units_per_nm3 = [\d.]+ #", text)


@pytest.mark.parametrize("name", NAMES)
def test_families_do_not_overlap_so_that_each_band_has_one_name(name):
    families = sorted(load_material(name).families, key=lambda f: f.wavelength_nm)
    for one, other in itertools.pairwise(families):
        assert one.wavelength_nm + one.tolerance_nm < other.wavelength_nm - other.tolerance_nm


@pytest.mark.parametrize("name", NAMES)
def test_a_sizing_curve_rises_throughout_its_range(name):
    curve = curve_of(load_material(name))
    if curve is None:
        return
    low, high = curve.valid_nm
    diameters = [size(float(w), 1.0, curve).diameter_nm for w in np.linspace(low, high, 200)]
    assert np.all(np.diff(np.array(diameters, float)) > 0)
    assert 0.5 < float(diameters[0] or 0.0) < float(diameters[-1] or 0.0) < 12


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('[sizing]\nname="a"\nsource="b"\nvalid_nm=[1.0, 2.0]\nrelative_error=0.1\n', "must have either coefficients"),
        ('no_families = "none"\n[[families]]\nname="a"\nwavelength_nm=400.0\nsource="b"\n', "no_families"),
        ('[extinction]\nname="a"\nsource="b"\nfactor=-1.0\nexponent=2.0\n', "extinction.factor = -1.0"),
        ("search_nm = [720.0, 330.0]\n", "search_nm = [720.0, 330.0]: must be two wavelengths, the shorter one first"),
        ("search_nm = [330.0]\n", "search_nm.1: this key is missing"),
        ("search_nm = [0.3, 0.7]\n", "search_nm = [0.3, 0.7]: must lie between 100 and 5000 nm"),
        (
            '[[families]]\nname="X-299"\nwavelength_nm=299.0\nsource="b"\n',
            "X-299 at 299 nm would never be found: search_nm, where bands are looked for, is 330 to 720 nm",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path, more, says):
    path = tmp_path / "X.toml"
    path.write_text(f'schema = 1\nname = "X"\n{more}', encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(says)):
        load_material(path)
