"""Read a configuration file; every complaint names the file, the key, the value and what is allowed."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from flowlab.config.instrument import InstrumentConfig
from flowlab.config.materials import Material
from flowlab.config.model import Model
from flowlab.config.paths import find_config
from flowlab.config.recipes import Recipe
from flowlab.errors import BadInputError

M = TypeVar("M", bound=Model)

#: How a value begins, in a template, that only the person at the instrument can know.
TO_FILL_IN = "FILL IN"


class ConfigError(BadInputError):
    """A configuration file cannot be read, or says something that is not allowed."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: there is no such file, or it is not TOML that can be read; the message gives line and column.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: its tables or lists are nested too deeply") from None


def explain(error: ValidationError, where: str, key: Sequence[str | int] = ()) -> str:
    """Say in one line what a validation error means: where, which key, what it is, what is allowed.

    Args:
        error: what pydantic found; only the first complaint is told, with a count of the others.
        where: the file, or what else the values came from.
        key: the path of keys above the values that were checked.
    """
    # A default that follows from a value that is wrong is no second complaint.
    complaints = [c for c in error.errors(include_url=False) if c["type"] != "default_factory_not_called"]
    first = _first(complaints)
    path = ".".join(str(part) for part in (*key, *first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            text = f"{path}: there is no such key"
        case "missing":
            text = f"{path}: this key is missing"
        case "value_error" if not first["loc"]:  # of a whole table: its message names the keys
            text = f"{path}: {message}" if path else message
        case _:
            text = f"{path} = {first['input']!r}: {message[0].lower()}{message[1:]}"
    others = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return f"{where}: {text}{others}"


def _first(complaints: list[Any]) -> Any:
    """The complaint to tell: a key that does not exist before one that is missing, which may be the same, misspelt."""
    return next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])


def validate(model: type[M], values: object, where: str, key: Sequence[str | int] = ()) -> M:
    """Check ``values`` against ``model``.

    Raises:
        ConfigError: they do not fit; the message is one line that names ``where`` and the key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, where, key) + allowed_keys(model, error)) from None


def allowed_keys(model: type[BaseModel], error: ValidationError) -> str:
    """List the keys of the table in which an unknown one was found."""
    first = _first(error.errors(include_url=False))
    if first["type"] != "extra_forbidden":
        return ""
    table: Any = model
    for part in first["loc"][:-1]:
        fields = getattr(table, "model_fields", {})
        if isinstance(part, str) and part in fields:
            table = fields[part].annotation
        for argument in getattr(table, "__args__", ()):
            if isinstance(argument, type) and issubclass(argument, BaseModel):
                table = argument
    names = [field.alias or name for name, field in getattr(table, "model_fields", {}).items()]
    return f"; allowed: {', '.join(names)}" if names else ""


def to_fill_in(values: object, key: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of keys whose values are still those of a template, in the order of the file.

    Args:
        values: what was read of a file: tables, lists, values.
        key: the path of keys above them.
    """
    if isinstance(values, str):
        if values.startswith(TO_FILL_IN):
            yield key
        return
    if isinstance(values, dict):
        inside = cast("dict[str, object]", values).items()
    elif isinstance(values, list):
        inside = ((str(i), value) for i, value in enumerate(cast("list[object]", values)))
    else:
        return
    for name, value in inside:
        yield from to_fill_in(value, (*key, name))


def _refuse_a_template(values: object, where: str) -> None:
    tables: dict[str, list[str]] = {}
    for *table, name in to_fill_in(values):
        tables.setdefault(".".join(table), []).append(name)
    if not tables:
        return
    count = sum(map(len, tables.values()))
    keys = "; ".join(f"{table}: {', '.join(names)}" if table else ", ".join(names) for table, names in tables.items())
    raise ConfigError(f"{where}: {count} {'key is' if count == 1 else 'keys are'} still to be filled in: {keys}")


def load_instrument(path: str | Path) -> InstrumentConfig:
    """Load an instrument file, given by path or by the name of one that is shipped (``simulated-flow``).

    Raises:
        ConfigError: see :func:`read_toml` and :func:`validate`; or it is a template, and not everything is filled in.
    """
    file = find_config("instruments", path)
    values = read_toml(file)
    _refuse_a_template(values, str(file))
    return validate(InstrumentConfig, values, str(file))


def load_material(name: str | Path) -> Material:
    """Load a material by its name (``CdSe``) or path."""
    file = find_config("materials", name)
    return validate(Material, read_toml(file), str(file))


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by its name or path."""
    file = find_config("recipes", name)
    return validate(Recipe, read_toml(file), str(file))
