"""Size distributions beside McSAS3's, at equal χ²; McSAS3 lives in an environment of its own (make bench-mcsas3)."""

import json
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.saxs_accuracy import AXES, Curve, broad, two
from benchmarks.table import Row
from flowlab.analysis.saxs.distribution import DistributionAnalysis
from flowlab.analysis.saxs.sizes import SizeAnalysis
from flowlab.analysis.saxs.spheres import RADII_NM

_PEER = Path(__file__).with_name("mcsas3_peer.py")
_AXIS = "0.3–5 nm⁻¹, 100 bins"
#: McSAS3 as it is by default, over the radii that we search; and as fast as it was found to be on these curves, told
#: where the radii are.
_SETTINGS: dict[str, dict[str, Any]] = {
    "300 contributions, 0.4–4 nm": {"contributions": 300, "radii_nm": RADII_NM},
    "60 contributions, 0.6–1.4 nm": {"contributions": 60, "radii_nm": (0.6, 1.4)},
}
#: Longer than this is not waited for; the χ² that is reached then is told.
_MOST_S = 120.0
_ROUNDS = 15


def rows() -> list[Row]:
    """Processor time of one curve on one core: sizes with ΔBIC, and the distribution with its band."""
    q = AXES[_AXIS]
    sizes, distribution = SizeAnalysis(q), DistributionAnalysis(q)
    curves = {
        "two, 1 %": two(q, 0.01, 1),
        "broad, 1 %": broad(q, 0.01, 1, 0.1),
        "two, 0.2 %": two(q, 0.002, 1),
        "broad, 0.2 %": broad(q, 0.002, 1, 0.1),
    }
    table: list[Row] = []
    for name, curve in curves.items():
        found = distribution.distribution(curve)
        stop = max(1.0, 1.02 * found.least_chi2)
        for setting, more in _SETTINGS.items():
            peer = _peer(curve, stop, more)
            fast = _milliseconds(lambda c=curve: sizes.sizes(c))
            banded = _milliseconds(lambda c=curve: distribution.distribution(c))
            theirs, who = None, "McSAS3 is not installed: make bench-mcsas3"
            if peer is not None:
                theirs = 1e3 * peer["seconds"]
                reached = "" if peer["chi2"] <= stop else f", NOT REACHED: {peer['chi2']:.2f}"
                who = f"McSAS3, one repetition, {setting}, {peer['steps']} steps to χ² {stop:.2f}{reached}"
            least = f"χ² {found.relative_chi2:.2f}"
            table.append(Row(f"sizes with ΔBIC; {name}", fast, "ms", "≥ 300 ×", theirs, who))
            table.append(Row(f"distribution with band, {least}; {name}", banded, "ms", "", theirs, "the same run"))
    return table


def _milliseconds(call: Any) -> float:
    call()
    times: list[float] = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        call()
        times.append(1e3 * (time.process_time() - begin))
    return median(times)


def _peer(curve: Curve, stop: float, setting: dict[str, Any]) -> dict[str, Any] | None:
    """What McSAS3 made of a curve; None where it is not there."""
    python = os.environ.get("FLOWLAB_MCSAS3")
    if not python:
        return None
    asked = {
        "q_per_nm": curve.q_per_nm.tolist(),
        "intensity": curve.intensity.tolist(),
        "err": curve.err.tolist(),
        "seed": 1,
        "chi2": stop,
        "most_s": _MOST_S,
        **setting,
    }
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, str(_PEER)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **one_thread},
    )
    return json.loads(done.stdout)
