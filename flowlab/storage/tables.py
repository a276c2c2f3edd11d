"""Growing tables in HDF5: one dataset for each column, one row for each event."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import h5py
import numpy as np

_TEXT = h5py.string_dtype()


def group(parent: h5py.Group, name: str, nx_class: str, **attributes: Any) -> h5py.Group:
    """The group of that name, made when it is not there."""
    found = parent.require_group(name)
    found.attrs["NX_class"] = nx_class
    for key, value in attributes.items():
        found.attrs[key] = value
    return found


def at(parent: h5py.Group, path: str) -> h5py.Group:
    """The group at a path below another, which is known to be there."""
    found = parent[path]
    if not isinstance(found, h5py.Group):
        raise TypeError(f"{path} is not a group")
    return found


def put(parent: h5py.Group, name: str, value: Any, units: str | None = None) -> h5py.Dataset:
    """A dataset of that name and value, instead of one that is there."""
    if name in parent:
        del parent[name]
    if isinstance(value, str):
        dataset = parent.create_dataset(name, data=value, dtype=_TEXT)
    elif isinstance(value, list) and value and isinstance(value[0], str):
        dataset = parent.create_dataset(name, data=np.array(value, dtype=object), dtype=_TEXT)
    else:
        dataset = parent.create_dataset(name, data=np.asarray(value))
    if units:
        dataset.attrs["units"] = units
    return dataset


def append(parent: h5py.Group, name: str, rows: list[Any], units: str | None = None) -> None:
    """Append rows, numbers or text or arrays of one shape, to a dataset that grows."""
    if isinstance(rows[0], str):
        block: Any = np.array(rows, dtype=object)
        dtype: Any = _TEXT
    else:
        block = np.array(rows)
        dtype = block.dtype
    if name not in parent:
        shape = block.shape[1:]
        dataset = parent.create_dataset(
            name, shape=(0, *shape), maxshape=(None, *shape), chunks=(1, *shape) if shape else (64,), dtype=dtype
        )
        if units:
            dataset.attrs["units"] = units
    dataset = parent[name]
    if not isinstance(dataset, h5py.Dataset):
        raise TypeError(f"{name} is not a dataset")
    before = dataset.shape[0]
    dataset.resize(before + len(rows), axis=0)
    dataset[before:] = block


def append_scalars(parent: h5py.Group, data: Mapping[str, Any], keys: Mapping[str, Any]) -> None:
    """Append what is single of a document's data, each to the dataset of its name, with the units of its data key."""
    for key, value in data.items():
        if np.ndim(value) == 0:
            append(parent, key, [value], keys[key].get("units"))


def iso(time_s: float) -> str:
    """A time as NeXus has it, ISO 8601."""
    return datetime.fromtimestamp(time_s, UTC).isoformat()
