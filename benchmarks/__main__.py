"""Run the benchmarks that are named, or all that do not take long."""

import os
import platform
import sys

from benchmarks import (
    analysis,
    beside_mcsas3,
    bus,
    codec,
    daemon,
    demo,
    eiger,
    endless,
    engine,
    faults,
    latency,
    page,
    saxs,
    saxs_live,
    startup,
    sustained,
    week,
)
from benchmarks.table import show

ALL = {
    "codec": codec.rows,
    "analysis": analysis.rows,
    "endless": endless.rows,
    "saxs": saxs.rows,
    "saxs-live": saxs_live.rows,
    "mcsas3": beside_mcsas3.rows,
    "eiger": eiger.rows,
    "sustained": sustained.rows,
    "bus": bus.rows,
    "engine": engine.rows,
    "latency": latency.rows,
    "page": page.rows,
    "startup": startup.rows,
    "daemon": daemon.rows,
    "demo": demo.rows,
    "faults": faults.rows,
    "week": week.rows,
}
#: Those that take minutes, and are run when they are named.
ASKED_FOR = {"endless", "faults", "mcsas3", "page", "week"}


def main() -> None:
    """Print the table."""
    names = sys.argv[1:] or [name for name in ALL if name not in ASKED_FOR]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores; medians of one run: compare ratios, not times\n"
    )
    show([row for name in names for row in ALL[name]()])


if __name__ == "__main__":
    main()
