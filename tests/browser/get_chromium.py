"""Gets a Chromium where there is none: ``make chromium``. Needs Python alone, for it may run before anything is there.

Root installs Debian's. Whoever may not, has apt download the same packages and unpacks them into ``.venv-chromium``.
"""

import os
import shutil
import subprocess
import sys

from tests.browser.chromium import HOW, NAMES, UNPACKED, find

#: Without a font, a browser shows no text.
_FONTS = "fonts-dejavu-core"
_PACKAGES = ("chromium-headless-shell", "chromium")
_QUIET = ("-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3")
_LAUNCHER = """#!/bin/sh
export LD_LIBRARY_PATH="{libraries}" FONTCONFIG_FILE="{here}/fonts.conf"
exec "{here}/usr/lib/chromium/{name}" "$@"
"""
_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{here}/usr/share/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{here}/fontconfig</cachedir>
</fontconfig>
"""


def main() -> str | None:
    """Get one; what went wrong, if it did."""
    if find():
        return None
    if shutil.which("apt-get") is None:
        return f"there is no Chromium, nor apt-get to get one: install it as this system has it ({', '.join(NAMES)})"
    root = _as_root()
    for package in _PACKAGES:
        _say(f"apt-get gets {package}, " + (f"to be unpacked in {UNPACKED}" if root is None else "and installs it"))
        try:
            if root is None:
                _unpack(package)
            else:
                _run(*root, "apt-get", *_QUIET, "update")
                install = ("install", "-y", "--no-install-recommends", package, _FONTS)
                _run(*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *_QUIET, *install)
        except subprocess.CalledProcessError as error:
            _say(error.stderr.strip() or str(error))
            continue
        if found := find():
            _say(f"the page is tested in {found}")
            return None
    return f"there is no Chromium, and apt-get does not give one; {HOW}"


def _as_root() -> list[str] | None:
    """What has a command run as root; None where that may not be."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    may = sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    return [sudo, "-n"] if sudo and may else None


def _unpack(package: str) -> None:
    """Have apt download a package and what it needs and this system has not, and unpack all of it in a folder."""
    lists, debs = UNPACKED / "apt/lists", UNPACKED / "apt/archives"
    for folder in (lists, debs):
        (folder / "partial").mkdir(parents=True, exist_ok=True)
    own = {
        "Dir::State::lists": lists,
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": UNPACKED / "apt",
        "Dir::Cache::archives": debs,
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", *_QUIET, *(word for key, value in own.items() for word in ("-o", f"{key}={value}"))]
    _run(*apt, "update")
    _run(*apt, "install", "-y", "--download-only", "--no-install-recommends", package, _FONTS)
    for deb in sorted(debs.glob("*.deb")):
        _run("dpkg", "-x", str(deb), str(UNPACKED))
    shutil.rmtree(UNPACKED / "apt")
    (UNPACKED / "fonts.conf").write_text(_FONTS_CONF.format(here=UNPACKED), encoding="utf-8")
    libraries = ":".join(sorted({str(library.parent) for library in UNPACKED.rglob("*.so*")}))
    launcher = UNPACKED / "chromium"
    launcher.write_text(_LAUNCHER.format(here=UNPACKED, name=package, libraries=libraries), encoding="utf-8")
    launcher.chmod(0o755)


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
