"""A thousand spoilt replies over scans on the whole simulated lab: no wrong value may be recorded.

``python -m benchmarks.faults [FAULTS [SEED]]``. Faults strike every wire while a scan uses every instrument, journals
are kept, and a run that ends in an error is begun again. All that was recorded is held against what was true
(:mod:`tests.storm.audit`); then drivers are hammered (:mod:`tests.storm.hammer`). The same seed gives the same strikes;
on which replies they fall is up to the machine. It takes some quarter of an hour.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.table import Row, show
from tests.storm.campaign import Findings, campaign
from tests.storm.faults import CABLE_FAULTS
from tests.storm.hammer import hammer

FAULTS, SEED = 1000, 1
HAMMERED_S = 60.0


def storm(faults: int = FAULTS, seed: int = SEED) -> Findings:
    """Run it, with a line about each run."""
    with tempfile.TemporaryDirectory() as folder:
        return campaign(Path(folder), faults, seed, tell=lambda text: print(text[:160], flush=True))


def report(found: Findings) -> None:
    """Print what was spoilt, what was recorded, and how runs ended."""
    print(f"\n{'replies spoilt':20}" + "".join(f"{kind:>11}" for kind in CABLE_FAULTS) + f"{'all':>8}")
    for device, kinds in found.spoilt.items():
        print(f"{device:20}" + "".join(f"{kinds[kind]:11}" for kind in CABLE_FAULTS) + f"{kinds.total():8}")
    for device, fault in sorted(found.struck):
        if fault not in CABLE_FAULTS:
            print(f"{device:20} {fault} {found.struck[device, fault]} times")
    print(f"\n{'values compared':40}")
    for key, count in sorted(found.audit.values.items()):
        print(f"{key:40}{count:8}")
    for key, count in found.audit.unknown.items():
        print(f"{key:40}{count:8} not known, and said so")
    print(f"\nruns: {found.runs}, completed {found.completed}, ended in errors: ", end="")
    print(", ".join(f"{kind} {count}" for kind, count in found.ended.most_common()) or "none")
    for line in found.foreign:
        print(f"NONE OF OURS: {line}")
    for line in found.unsafe:
        print(f"not safe on its bad wire: {line}")


def rows_of(found: Findings) -> list[Row]:
    """The same as a table."""
    ended = found.ended.total() + len(found.foreign)
    return [
        Row("wire faults: replies spoilt", found.spoilt_replies, "replies", "-"),
        Row("wire faults: of them that ended no run", found.spoilt_replies - ended, "replies", "-"),
        Row("wire faults: values compared with the truth", found.audit.values.total(), "values", "-"),
        Row("wire faults: wrong values recorded", len(found.audit.wrong), "values", "0"),
        Row("wire faults: runs that ended in errors of ours", found.ended.total(), "runs", "-"),
        Row("wire faults: errors that are none of ours", len(found.foreign), "errors", "0"),
    ]


def hammered() -> list[Row]:
    """The drivers with the weakest protocols, asked as fast as they answer over the worst of cables."""
    with tempfile.TemporaryDirectory() as folder:
        found = hammer(Path(folder), HAMMERED_S, faults=("garble", "duplicate"))
    for line in found.audit.wrong:
        print(f"WRONG VALUE: {line}")
    spoilt = sum(kinds.total() for kinds in found.spoilt.values())
    return [
        Row("hammered drivers: faults in replies (garbled, doubled)", spoilt, "faults", "-"),
        Row("hammered drivers: values compared with the truth", found.audit.values.total(), "values", "-"),
        Row("hammered drivers: wrong values", len(found.audit.wrong), "values", "0"),
        Row("hammered drivers: errors of ours", found.errors.total(), "errors", "-"),
    ]


def rows() -> list[Row]:
    """A thousand spoilt replies, and a minute of hammering."""
    found = storm()
    report(found)
    return [*rows_of(found), *hammered()]


if __name__ == "__main__":
    result = storm(*map(int, sys.argv[1:3]))
    report(result)
    print()
    show([*rows_of(result), *hammered()])
    sys.exit(bool(result.audit.wrong or result.foreign))
