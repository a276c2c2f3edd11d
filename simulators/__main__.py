"""``python -m simulators``: see :mod:`simulators.serve`."""

import signal
import sys

if __name__ == "__main__":
    # Interrupted while it still imports, it ends without a word; later it closes what it opened.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from simulators.serve import main

    sys.exit(main())
