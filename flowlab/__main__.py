"""``python -m flowlab``: the same as the command ``flowlab``."""

from flowlab.cli import main

main()
