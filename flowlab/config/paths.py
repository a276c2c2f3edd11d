"""Where configuration files are: beside a checkout, or shipped within an installed package."""

from pathlib import Path

import flowlab
from flowlab.errors import BadInputError


def shipped_config() -> Path:
    """The folder of shipped configuration, the same from a checkout, an editable install and a wheel."""
    package = Path(flowlab.__file__).parent
    installed = package / "_shipped" / "config"
    return installed if installed.is_dir() else package.parent / "config"


def find_config(kind: str, name: str | Path) -> Path:
    """Find a configuration file.

    Args:
        kind: the folder it is kept in when it is shipped: instruments, materials or recipes.
        name: a path to a file, or the bare name of a shipped one, without folder and ending.

    Raises:
        BadInputError: there is neither such a file nor a shipped one of that name.
    """
    path = Path(name)
    if _is_file(path):
        return path
    folder = shipped_config() / kind
    shipped = folder / f"{path.name}.toml"
    if path.name == str(name) and _is_file(shipped):
        return shipped
    names = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
    raise BadInputError(f"{name}: there is no such file; {kind} that are shipped: {names}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False
