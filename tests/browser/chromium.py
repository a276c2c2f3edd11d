"""Which Chromium the tests of the page use: one that is there; nothing is downloaded here."""

import os
import shutil
from pathlib import Path

#: The system's, best first: the shell has no window and starts fastest.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Where ``make chromium`` unpacks one when it may not install it.
UNPACKED = Path(__file__).parents[2] / ".venv-chromium"
HOW = "make chromium gets one; or have FLOWLAB_CHROMIUM name one"
#: Root, as which containers run, has no sandbox of Chromium's; and what is looked at is our own.
ARGUMENTS = ("--no-sandbox",)


def find() -> str | None:
    """The path of a Chromium; None where there is none."""
    if named := os.environ.get("FLOWLAB_CHROMIUM"):
        return named
    unpacked = UNPACKED / "chromium"
    return next(filter(None, map(shutil.which, (*NAMES, str(unpacked)))), None)
