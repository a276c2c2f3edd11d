"""What is promised of two populations near to each other, on fewer seeds than benchmarks/saxs_accuracy.py has."""

from itertools import product

import pytest

from benchmarks.saxs_accuracy import AXES, FORMS, TWO_NM, broad, two
from flowlab.analysis.saxs.sizes import DECISIVE, SizeAnalysis

ANALYSES = {name: SizeAnalysis(q) for name, q in AXES.items()}
WIDE = "0.1–7 nm⁻¹, 200 bins"


def test_two_populations_at_0_2_per_cent_noise_are_recovered_and_told_apart_where_q_reaches_7():
    for seed in range(8):
        found = ANALYSES[WIDE].sizes(two(AXES[WIDE], 0.002, seed))
        assert found.kind == "several"
        assert [p.radius_nm for p in found.populations] == pytest.approx(list(TWO_NM), abs=0.01)
        assert found.delta_bic is not None
        assert found.delta_bic <= -DECISIVE


def test_where_q_reaches_5_delta_bic_speaks_for_two_and_one_peak_of_another_form_still_fits():
    name = "0.3–5 nm⁻¹, 300 bins"
    for seed in range(8):
        found = ANALYSES[name].sizes(two(AXES[name], 0.002, seed))
        assert found.several is not None
        assert [p.radius_nm for p in found.several.populations] == pytest.approx(list(TWO_NM), abs=0.015)
        assert found.delta_bic is not None
        assert found.delta_bic <= -DECISIVE
        assert found.kind == "unknown"
        assert "one peak of another form" in found.why


@pytest.mark.parametrize(
    ("name", "noise"), [("0.3–5 nm⁻¹, 100 bins", 0.01), ("0.3–5 nm⁻¹, 100 bins", 0.002), (WIDE, 0.002)]
)
def test_a_single_broad_population_is_never_called_two(name, noise):
    for seed, (width, form) in enumerate(product((0.04, 0.06, 0.08, 0.1, 0.15, 0.2), FORMS)):
        assert ANALYSES[name].sizes(broad(AXES[name], noise, seed, width, form)).kind in ("spread", "unknown", "narrow")
