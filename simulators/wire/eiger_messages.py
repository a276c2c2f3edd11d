"""Messages of an Eiger2's two streams, written.

Sources: SIMPLON 1.8 API documentation, pages 40–46; github.com/dectris/documentation, stream_v2 and
cbor/dectris-compression-tag.md; messages recorded from an Eiger2 16M (in tickit-devices).
"""

import datetime
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import cbor2
import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

#: Ticks in a second of the clock that times are counted with.
CLOCK_HZ = 50_000_000
CHANNEL = "threshold_1"
_TAGS = {1: 64, 2: 69, 4: 70}
_SELF_DESCRIBED, _ARRAY, _COMPRESSED = 55799, 40, 56500


@dataclass(frozen=True)
class Shot:
    """A frame and when it was taken.

    Attributes:
        series: number of the series.
        number: in the series, from 0.
        image: shape (rows, columns).
        start_s, stop_s: from the beginning of the series.
    """

    series: int
    number: int
    image: NDArray[Any]
    start_s: float
    stop_s: float


class Format(Protocol):
    """Writes messages; each is one or several parts."""

    def start(self, series: int, config: Mapping[str, Any]) -> list[bytes]:
        """A series begins; ``config`` holds the detector's parameters."""
        ...

    def image(self, shot: Shot, compression: str) -> list[bytes]:
        """A frame; ``compression`` is bslz4, lz4 or none."""
        ...

    def end(self, series: int) -> list[bytes]:
        """A series is over."""
        ...


def compress(image: NDArray[Any], compression: str) -> bytes:
    """The pixels as HDF5's filter of that name writes them."""
    whole = hdf5plugin.LZ4(nbytes=image.nbytes) if compression == "lz4" else hdf5plugin.Bitshuffle(cname="lz4")
    with h5py.File("frame", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("frame", data=image, chunks=image.shape, **whole)
        return dataset.id.read_direct_chunk((0, 0))[1]


class Legacy:
    """Stream V1: JSON and data in several parts."""

    #: Size of all, size of a block, compressed size of the first block.
    _LZ4_HEAD = struct.Struct(">QLL")

    def start(self, series: int, config: Mapping[str, Any]) -> list[bytes]:
        """Global header data, in basic detail."""
        return [_json(htype="dheader-1.0", series=series, header_detail="basic"), _json(**config)]

    def image(self, shot: Shot, compression: str) -> list[bytes]:
        """Image data."""
        rows, columns = shot.image.shape
        depth = shot.image.dtype.itemsize
        encoding = {"none": "<", "lz4": "lz4<", "bslz4": f"bs{8 * depth}-lz4<"}[compression]
        blob = shot.image.tobytes() if compression == "none" else compress(shot.image, compression)
        if compression == "lz4":
            blob = blob[self._LZ4_HEAD.size :]
            blob = _literals(blob) if len(blob) == shot.image.nbytes else blob  # the filter leaves it as it is then
        shape = _json(
            htype="dimage_d-1.0", shape=[columns, rows], type=f"uint{8 * depth}", encoding=encoding, size=len(blob)
        )
        start_ns, stop_ns = round(shot.start_s * 1e9), round(shot.stop_s * 1e9)
        times = _json(htype="dconfig-1.0", start_time=start_ns, stop_time=stop_ns, real_time=stop_ns - start_ns)
        digest = hashlib.md5(shape, usedforsecurity=False).hexdigest()
        return [_json(htype="dimage-1.0", series=shot.series, frame=shot.number, hash=digest), shape, blob, times]

    def end(self, series: int) -> list[bytes]:
        """End of series."""
        return [_json(htype="dseries_end-1.0", series=series)]


class Cbor:
    """Stream V2: a map of CBOR in one part."""

    def __init__(self) -> None:
        self._date = datetime.datetime.now(datetime.UTC)

    def start(self, series: int, config: Mapping[str, Any]) -> list[bytes]:
        """Start message, in basic detail."""
        self._date = datetime.datetime.now(datetime.UTC)
        return self._message(
            "start",
            series,
            arm_date=self._date,
            beam_center_x=config["beam_center_x"],
            beam_center_y=config["beam_center_y"],
            channels=[CHANNEL],
            count_time=config["count_time"],
            countrate_correction_enabled=True,
            detector_description=config["description"],
            detector_serial_number=config["detector_number"],
            detector_translation=[0.0, 0.0, 0.0],
            flatfield_enabled=True,
            frame_time=config["frame_time"],
            goniometer={},
            image_dtype=f"uint{config['bit_depth_image']}",
            image_size_x=config["x_pixels_in_detector"],
            image_size_y=config["y_pixels_in_detector"],
            incident_energy=config["photon_energy"],
            incident_wavelength=12398.41984 / config["photon_energy"],
            number_of_images=config["nimages"] * config["ntrigger"],
            pixel_mask_enabled=True,
            pixel_size_x=config["x_pixel_size"],
            pixel_size_y=config["y_pixel_size"],
            saturation_value=config["countrate_correction_count_cutoff"],
            sensor_material=config["sensor_material"],
            sensor_thickness=config["sensor_thickness"],
            threshold_energy={CHANNEL: config["threshold_energy"]},
            virtual_pixel_interpolation_enabled=True,
        )

    def image(self, shot: Shot, compression: str) -> list[bytes]:
        """Image message."""
        depth = shot.image.dtype.itemsize
        pixels: Any = shot.image.tobytes()
        if compression != "none":
            size = depth if compression == "bslz4" else 0
            pixels = cbor2.CBORTag(_COMPRESSED, [compression, size, compress(shot.image, compression)])
        array = cbor2.CBORTag(_ARRAY, [list(shot.image.shape), cbor2.CBORTag(_TAGS[depth], pixels)])
        return self._message(
            "image",
            shot.series,
            image_id=shot.number,
            real_time=_ticks(shot.stop_s - shot.start_s),
            series_date=self._date,
            start_time=_ticks(shot.start_s),
            stop_time=_ticks(shot.stop_s),
            data={CHANNEL: array},
        )

    def end(self, series: int) -> list[bytes]:
        """End message."""
        return self._message("end", series)

    def _message(self, kind: str, series: int, **fields: Any) -> list[bytes]:
        head = {"type": kind, "series_id": series, "series_unique_id": f"simulated-{series}"}
        return [cbor2.dumps(cbor2.CBORTag(_SELF_DESCRIBED, head | fields))]


def pixels_of(counts: NDArray[np.uint32], bits: int, cutoff: int) -> NDArray[Any]:
    """Counts of 32 bits as a detector sends them in ``bits``: no pixel beyond the cut-off, the largest for no data."""
    dtype = np.dtype(f"<u{bits // 8}")
    sent = np.minimum(counts, cutoff).astype(dtype)
    sent[counts == np.iinfo(np.uint32).max] = np.iinfo(dtype).max
    return sent


def _literals(data: bytes) -> bytes:
    """An LZ4 block that holds data uncompressed; LZ4 block format description, github.com/lz4/lz4."""
    more, last = divmod(len(data) - 15, 255)
    return b"\xf0" + b"\xff" * more + bytes([last]) + data


def _ticks(seconds: float) -> list[int]:
    return [round(seconds * CLOCK_HZ), CLOCK_HZ]


def _json(**fields: Any) -> bytes:
    return json.dumps(fields).encode()
