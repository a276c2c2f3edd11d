"""The safe state, in a fresh process with its own links: ``python -m flowlab.daemon.safe_state``.

Run when a worker died without being able to do it itself. Imports no bluesky.
"""

import sys

from flowlab.bench import Bench
from flowlab.config import load_instrument
from flowlab.errors import FlowlabError
from flowlab.process import Lifeline


def main() -> None:
    """Make every device of ``safe_state`` safe, in that order, and tell of each whether it is."""
    lifeline = Lifeline()
    try:
        config = load_instrument(lifeline.spec["config"])
        with Bench(config, lifeline.spec["config"], lifeline.spec.get("addresses")) as bench:
            outcome = bench.make_safe()
    except FlowlabError as error:
        lifeline.fail(error)
        sys.exit(error.exit_code)
    lifeline.done({name: None if error is None else str(error) for name, error in outcome.items()})
    sys.exit(any(outcome.values()))


if __name__ == "__main__":
    main()
