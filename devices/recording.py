"""The frames of one staging of a detector: into which file they go, how they are, and the documents that refer to them.

An exposure that no event has read is replaced by the next one, in the file too: the frames of a file are those of the
events, in their order, which is how stock consumers count them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np

from devices.errors import DeviceError, ReplyError
from devices.frame_writer import DATASET, Facts, FrameWriter
from devices.frames import AssetDocument, FrameFile
from devices.protocols.compressed import Filter, as_chunk
from devices.protocols.simplon_series import Frame

#: What is noted in the file with each frame.
PER_FRAME = {"start_s": "s", "exposed_s": "s", "saturated_pixels": "pixels", "no_data_pixels": "pixels"}


@dataclass
class Exposure:
    """What has come of an exposure.

    Attributes:
        index: where its first frame stands in the file.
        number: of its first frame in the series.
        images: how many frames it has.
        frames: how many of them are in the file.
        counts: sum of all pixels of all frames that have data.
        saturated: pixels of the frame with the most of them.
        no_data: likewise: pixels that are masked, or beyond what they can hold.
        exposed_s: sum over the frames.
    """

    index: int
    number: int
    images: int
    frames: int = 0
    counts: int = 0
    saturated: int = 0
    no_data: int = 0
    exposed_s: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether all frames are in the file."""
        return self.frames == self.images

    def add(self, counts: int, saturated: int, no_data: int, exposed_s: float) -> None:
        """Count a frame that is in the file."""
        self.counts += counts
        self.saturated, self.no_data = max(self.saturated, saturated), max(self.no_data, no_data)
        self.exposed_s += exposed_s
        self.frames += 1


class Recording:
    """One staging.

    Args:
        device: for messages and names of files.
        image_key: name of the frames' data key.
        folder: for files; None where nothing can be recorded.
    """

    def __init__(self, device: str, image_key: str, folder: Path | None):
        self._device, self._image_key, self._folder = device, image_key, folder
        self._writer: FrameWriter | None = None
        self._file = FrameFile()
        self._taken = self._told = 0
        self._exposure: Exposure | None = None

    def open(self, shape: tuple[int, int], dtype: "np.dtype[np.generic]", compression: Filter, facts: Facts) -> None:
        """Open the file, unless it is open.

        Args:
            shape: rows and columns of a frame.
            dtype: of its pixels.
            compression: of the frames.
            facts: of detector and exposure, as they are when the file is opened.

        Raises:
            DeviceError: it cannot be opened, or is one of other pixels.
        """
        if self._writer is not None:
            if self._writer.dtype != dtype:
                raise DeviceError(
                    f"{self._device}: its frames have {dtype} pixels now, {self._writer.dtype} in "
                    f"{self._writer.path}; stage it anew"
                )
            return
        if self._folder is None:
            raise DeviceError(f"{self._device}: was not told where to put frames")
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{self._device}-{uuid4().hex[:8]}.h5"
        path = self._folder.absolute() / name
        self._writer = FrameWriter(self._device, path, shape, dtype, compression, facts, PER_FRAME)

    def expect(self, images: int, number: int) -> Exposure:
        """Begin an exposure.

        Args:
            images: how many frames it has.
            number: of the first of them in the series.
        """
        self._exposure = Exposure(self._told * images, number, images)
        return self._exposure

    def keep(self, frame: Frame, saturated_at: int) -> None:
        """Write a frame of the exposure that was begun last.

        Args:
            frame: as it came.
            saturated_at: pixels with so many counts or more count no further.

        Raises:
            ReplyError: it belongs to no exposure, or is no whole frame.
            DeviceError: the file cannot be written.
        """
        exposure, writer = self._exposure, self._writer
        if exposure is None or exposure.complete or writer is None:
            raise ReplyError(f"frame {frame.number}, for which nobody asked")
        index = exposure.index + frame.number - exposure.number
        image = writer.write(index, *as_chunk(frame.pixels))
        no_data = image == np.iinfo(image.dtype).max
        pixels = int(((image >= saturated_at) & ~no_data).sum()), int(no_data.sum())
        writer.note(index, dict(zip(PER_FRAME, (frame.start_s, frame.exposure_s, *pixels), strict=True)))
        exposure.add(int(image.sum(where=~no_data, dtype=np.int64)), *pixels, frame.exposure_s)

    def finish(self) -> None:
        """The exposure is whole: the next reading refers to it."""
        self._taken = self._told + 1

    def documents(self) -> Iterator[AssetDocument]:
        """Those that refer to the frames of the latest exposure; none when they were given already."""
        if self._writer is None or self._taken == self._told:
            return
        if self._told == 0:
            writer = self._writer
            yield self._file.stream_resource(self._image_key, writer.path, DATASET, writer.shape, writer.dtype)
        self._told = self._taken
        yield from self._file.tell_new(self._taken)

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
