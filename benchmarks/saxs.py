"""SAXS: a frame to I(q) beside pyFAI, and sizes beside the same comparison written with scipy's nnls and lmfit."""

import lmfit
import numpy as np
from scipy.optimize import nnls

from benchmarks.table import Row, interleaved
from flowlab.analysis.saxs.bragg import find_peaks
from flowlab.analysis.saxs.curve import Curve
from flowlab.analysis.saxs.geometry import geometry
from flowlab.analysis.saxs.integrate import Integrator
from flowlab.analysis.saxs.poni import Poni, integrator
from flowlab.analysis.saxs.sizes import SizeAnalysis
from flowlab.analysis.saxs.spheres import sphere

PLACE = Poni("Eiger2_1M", 0.5, 0.04, 0.038, 0.0, 0.0, 0.0, 1e-10)
Q = np.linspace(0.3, 5.0, 100)


def _frame_rows() -> list[Row]:
    seen = geometry(PLACE).without_beam_stop(2.0)
    frame = np.random.default_rng(0).poisson(1 + 20 * np.exp(-seen.q_per_nm)).astype(np.uint32)
    frame[seen.masked] = 2**32 - 1
    through, by_pyfai = Integrator(seen, 1000), integrator(PLACE)

    def peer() -> object:
        return by_pyfai.integrate1d_ng(
            frame,
            1000,
            unit="q_nm^-1",
            polarization_factor=0.98,
            error_model="poisson",
            method=("no", "csr", "cython"),
            mask=seen.masked,
            dummy=float(2**32 - 1),
            delta_dummy=300.0,
        )

    ours, theirs = interleaved(lambda: through.curve(frame), peer, 25, 4)
    return [
        Row("1 Mpx frame → I(q), σ(q), 1000 bins", ours / 1e3, "ms", "≤ 2 ms", theirs / 1e3, "pyFAI, no split, csr")
    ]


def _curve(radii: list[float]) -> Curve:
    mean = sum(sphere(Q, np.array([radius]))[0][0] for radius in radii)
    mean = (mean / np.max(mean) + 0.02) * 3e5
    counts = np.random.default_rng(0).poisson(mean)
    return Curve(Q, counts.astype(float), np.sqrt(counts), np.ones(100, dtype=np.int64))


def _by_lmfit(curve: Curve, grid: np.ndarray) -> tuple[float, ...]:
    """A distribution by nnls, then two narrow and one spread population by lmfit, and their difference in BIC."""
    weights = 1 / curve.err
    nnls((sphere(Q, grid)[0] * weights).T, curve.intensity * weights)

    def two(x, r1, r2, a1, a2, c):
        return a1 * sphere(x, np.array([r1]))[0][0] + a2 * sphere(x, np.array([r2]))[0][0] + c

    def spread(x, r, width, a, c):
        t = np.linspace(-4, 4, 60)
        weight = np.exp(-0.5 * t * t)
        return a * (weight / weight.sum()) @ sphere(x, r * np.exp(width * t))[0] + c

    top = float(curve.intensity.max())
    narrow, wide = lmfit.Model(two), lmfit.Model(spread)
    several = narrow.fit(
        curve.intensity, narrow.make_params(r1=0.9, r2=1.05, a1=top / 2, a2=top / 2, c=0), x=Q, weights=weights
    )
    one = wide.fit(curve.intensity, wide.make_params(r=0.95, width=0.05, a=top, c=0), x=Q, weights=weights)
    return float(several.chisqr), float(one.chisqr)


def rows() -> list[Row]:
    """One frame, one curve of 100 points, one core."""
    found = _frame_rows()
    analysis = SizeAnalysis(Q)
    lmfit_name = "nnls, then both models by lmfit"
    for name, radii in (("one narrow", [0.94]), ("two near", [0.94, 1.02])):
        curve = _curve(radii)
        ours, theirs = interleaved(
            lambda curve=curve: analysis.sizes(curve),
            lambda curve=curve: _by_lmfit(curve, analysis.spheres.radii_nm),
            9,
            3,
        )
        task = f"sizes with ΔBIC and errors, 100 points, {name}"
        found.append(Row(task, ours / 1e3, "ms", "≤ 2 ms", theirs / 1e3, lmfit_name))
    q = np.linspace(0.1, 5.0, 1000)
    mean = 1e4 * (
        0.5 + 0.004 * q**-4 + np.exp(-0.5 * ((q - 1.84) / 0.03) ** 2) + 0.3 * np.exp(-0.5 * ((q - 3.69) / 0.03) ** 2)
    )
    counts = np.random.default_rng(0).poisson(mean)
    curve = Curve(q, counts.astype(float), np.sqrt(counts), np.ones(1000, dtype=np.int64))
    model = lmfit.models.GaussianModel(prefix="a_") + lmfit.models.QuadraticModel(prefix="c_")

    def two_by_lmfit() -> None:
        for at in (1.84, 3.69):
            near = np.abs(q - at) < 0.15
            start = model.make_params(a_center=at, a_sigma=0.03, a_amplitude=500, c_a=0, c_b=0, c_c=5e3)
            model.fit(counts[near], start, x=q[near], weights=1 / np.sqrt(counts[near]))

    ours, theirs = interleaved(lambda: find_peaks(curve), two_by_lmfit, 9, 2)
    peer = "lmfit told where, measured only"
    found.append(Row("Bragg peaks found and measured, 1000 bins", ours / 1e3, "ms", "—", theirs / 1e3, peer))
    return found
