"""McSAS3 on one curve, run by a Python that has it; imports nothing of flowlab: the two want other versions.

Reads a JSON object from standard input (q_per_nm, intensity, err, radii_nm, contributions, seed, chi2, most_s) and
writes one to standard output: seconds of the processor until χ² per bin is at most ``chi2``, the χ² reached, and how
many steps it took. It stops after ``most_s`` in any case. Building the model is not counted.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from mcsas3.mc_core import McCore
from mcsas3.mc_model import McModel
from mcsas3.mc_opt import McOpt


def run(asked: dict) -> dict:
    """One repetition; McSAS3 itself takes ten, for its uncertainties."""
    q, intensity, err = (np.array(asked[name]) for name in ("q_per_nm", "intensity", "err"))
    model = McModel(
        modelName="mcsas_sphere",  # its own sphere in nm: faster than that of sasmodels
        nContrib=asked["contributions"],
        fitParameterLimits={"radius": tuple(asked["radii_nm"])},
        staticParameters={"sld": 1.0, "sld_solvent": 0.0},
        seed=asked["seed"],
    )
    options = McOpt(convCrit=asked["chi2"], maxIter=10**9)
    options.repetition = 0
    core = McCore({"Q": [q], "I": intensity, "ISigma": err}, model=model, opt=options)
    begin = time.process_time()
    while options.gof > asked["chi2"] and time.process_time() - begin < asked["most_s"]:
        core.iterate()
    return {"seconds": time.process_time() - begin, "chi2": float(options.gof), "steps": int(options.step)}


if __name__ == "__main__":
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        found = run(json.load(sys.stdin))
    json.dump(found, sys.stdout)
