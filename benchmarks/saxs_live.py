"""A frame in a growing file to a result document as it is published."""

import tempfile
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from benchmarks.saxs import PLACE
from benchmarks.table import Row, interleaved
from flowlab.analysis.saxs.geometry import geometry
from flowlab.analysis.saxs.poni import integrator
from flowlab.config import load_material
from flowlab.live import Analyzer
from flowlab.live.frames import FrameReader
from flowlab.stream import Message

DATASET = "/entry/data/data"
FRAMES = 10
PONI = {name: getattr(PLACE, name) for name in ("detector", "distance_m", "poni1_m", "poni2_m", "wavelength_m")}
START: dict[str, Any] = {
    "uid": "run",
    "time": 0.0,
    "material": "CdSe",
    "config": {"saxs": {"poni": PONI, "beam_stop_mm": 2.0}, "flow_path": {"xray_path_mm": 1.0}},
    "analysis": {
        "kind": "saxs",
        "axes": ["t_c"],
        "saxs": {"frames": "image", "exposed_s": "s", "incident_a": "i", "incident_err_a": "e", "transmitted_a": "t",
                 "transmitted_err_a": "e"},
    },
}  # fmt: skip


def _file(path: Path) -> np.ndarray[Any, Any]:
    seen = geometry(PLACE)
    mean = 1 + 20 * np.exp(-seen.q_per_nm)
    frames = np.random.default_rng(0).poisson(mean, (FRAMES, *seen.shape)).astype(np.uint32)
    frames[:, seen.masked] = 2**32 - 1
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset(
            DATASET, data=frames, chunks=(1, *seen.shape), maxshape=(None, *seen.shape),
            **hdf5plugin.Bitshuffle(cname="lz4"),
        )  # fmt: skip
    return seen.masked


def rows() -> list[Row]:
    """One frame of an Eiger2 1M: event and reference in, published bytes of its curve out; the file opened anew."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.h5"
        masked = _file(path)
        by_pyfai = integrator(PLACE)
        with FrameReader(Path(folder)) as reader:
            analyzer = Analyzer(load_material, reader)
            count = 0

            def take(name: str, doc: dict[str, Any]) -> list[bytes]:
                return [Message("a", 0, n, d).to_bytes() for n, d in analyzer.take(name, doc)]

            shape = masked.shape
            key = {"shape": [1, *shape]}
            parameters = {"dataset": DATASET, "chunk_shape": [1, *shape], "dtype_numpy": "<u4", "swmr": True}
            resource = {"uid": "r", "run_start": "run", "data_key": "image", "mimetype": "application/x-hdf5",
                        "uri": f"file://localhost{path}", "parameters": parameters}  # fmt: skip
            take("start", START)
            for stream in ("saxs_open", "saxs_background", "saxs"):
                about = {"uid": stream, "run_start": "run", "name": stream, "data_keys": {"image": key}, "time": 0.0}
                take("descriptor", about)
            take("stream_resource", resource)

            def ours(stream: str = "saxs") -> object:
                nonlocal count
                count += 1
                reader.close()  # a file that grows is opened anew for each frame
                data = {"s": 1.0, "i": 1e-6, "t": 8e-7, "e": 1e-10, "t_c": 25.0}
                event = {"uid": "e", "descriptor": stream, "seq_num": count, "time": 0.0, "data": data}
                index = count % FRAMES
                datum = {"stream_resource": "r", "descriptor": stream,
                         "indices": {"start": index, "stop": index + 1},
                         "seq_nums": {"start": count, "stop": count + 1}}  # fmt: skip
                take("stream_datum", datum)
                return take("event", event)

            for stream in ("saxs_open", "saxs_background"):
                ours(stream)

            def peer() -> object:
                with h5py.File(path, "r", locking=False) as file:
                    frame = file[DATASET][0]
                return by_pyfai.integrate1d_ng(
                    frame, 500, unit="q_nm^-1", polarization_factor=0.98, error_model="poisson",
                    method=("no", "csr", "cython"), mask=masked,
                )  # fmt: skip

            mine, theirs = interleaved(ours, peer, 9, 4)
    return [Row("1 Mpx frame in a file → I(q) published", mine / 1e3, "ms", "≤ 100 ms", theirs / 1e3, "h5py and pyFAI")]
