import pytest

from flowlab.analysis.quantities import concentration, units_per_particle
from flowlab.analysis.sizing import Gap, Size, SizingCurve, size
from flowlab.config import load_material
from flowlab.live.knowledge import curve_of

NONE = Size(None, None, None, "no curve")


@pytest.mark.parametrize(("diameter", "units"), [(1.09, 12), (1.37, 25), (1.58, 38), (1.85, 61), (2.06, 84)])
def test_units_of_cdse_are_those_of_palencia_2020_fig_4(diameter, units):
    found = units_per_particle(Size(diameter, 0.01, 0.1, ""), load_material("CdSe").units_per_nm3)
    assert found is not None
    assert round(found.value) == units


def test_errors_of_fit_and_curve_are_apart_and_follow_from_small_changes():
    k, d, e = 18.31, 2.5, 1e-6

    def units(diameter: float) -> float:
        found = units_per_particle(Size(diameter, 0.02, 0.3, ""), k)
        assert found is not None
        return found.value

    found = units_per_particle(Size(d, 0.02, 0.3, ""), k)
    assert found is not None
    slope = (units(d + e) - units(d - e)) / (2 * e)
    assert (found.fit_err, found.curve_err) == pytest.approx((slope * 0.02, slope * 0.3), rel=1e-6)


def test_concentration_is_absorbance_over_extinction_and_path():
    # Yu 2003: ε = 5857·D^2.65 L/(mol·cm); at 2.63 nm 7.6·10⁴.
    found = concentration(Size(2.0, 0.0, 0.2, ""), 0.5, 0.005, path_mm=2.0, factor=5857.0, exponent=2.65)
    assert found is not None
    assert found.value == pytest.approx(0.5 / (5857 * 2**2.65 * 0.2))
    assert found.fit_err == pytest.approx(0.01 * found.value)
    assert found.curve_err == pytest.approx(0.265 * found.value)


def test_without_a_diameter_or_light_absorbed_there_is_neither():
    assert units_per_particle(NONE, 18.31) is None
    assert units_per_particle(Size(2.0, 0.1, 0.1, ""), None) is None
    assert concentration(NONE, 0.5, 0.01, 1.0, 5857.0, 2.65) is None
    assert concentration(Size(2.0, 0.1, 0.2, ""), -0.01, 0.01, 1.0, 5857.0, 2.65) is None


def test_a_gap_curve_is_the_solution_of_its_equation():
    # Moreels 2009, Eq. 4: E = 0.41 + 1/(0.0252·D² + 0.283·D)
    curve = SizingCurve("PbS", (), (850.0, 2000.0), 0.1, Gap(0.41, 0.0252, 0.283))
    for diameter in (3.0, 5.0, 9.0):
        energy = 0.41 + 1 / (0.0252 * diameter**2 + 0.283 * diameter)
        assert curve.diameter_nm(1239.842 / energy) == pytest.approx(diameter)
    assert size(1300.0, 1.0, curve).diameter_nm == pytest.approx(4.608, abs=1e-3)


@pytest.mark.parametrize(
    ("material", "wavelength", "diameter"),
    [
        ("CdSe", 350.0, 1.092),
        ("CdSe", 403.0, 1.581),
        ("CdSe", 437.0, 1.855),
        ("CdSe", 572.0, 3.574),
        ("CdTe", 449.0, None),  # where the polynomial gives 0.17 nm
        ("CdTe", 600.0, 3.66),
        ("CdS", 400.0, 3.38),
        ("CdS", 460.0, None),
        ("ZnSe", 400.0, None),
        ("InP", 550.0, None),
        ("PbS", 1450.0, 5.371),
        ("PbS", 700.0, None),
        ("InSb", 1500.0, None),
    ],
)
def test_diameters_are_given_within_the_curve_s_range_and_reasons_outside(material, wavelength, diameter):
    found = size(wavelength, 1.0, curve_of(load_material(material)))
    assert found.why
    assert (found.diameter_nm is None) == (diameter is None)
    if diameter is not None:
        assert found.diameter_nm == pytest.approx(diameter, abs=0.006)
