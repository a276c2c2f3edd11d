"""One series of a SIMPLON stream: which messages belong to it, and that none of its frames is missing. No I/O.

The detector's stream has no beginning: what an earlier series left behind, in buffers of the network or of the
detector, comes first and is passed over until this one's start message comes.
"""

from dataclasses import dataclass

import numpy as np

from devices.errors import ReplyError
from devices.protocols.compressed import Pixels
from devices.protocols.simplon_stream import End, Image, Message, Start

#: More series do not start between an ``arm`` and its reply.
_MOST_STARTS = 100


@dataclass(frozen=True)
class Frame:
    """A frame that belongs to the series.

    Attributes:
        number: counted from 0 in the series.
        pixels: still compressed.
        start_s: when it began, from the beginning of the series.
        exposure_s: how long it counted.
    """

    number: int
    pixels: Pixels
    start_s: float
    exposure_s: float


class Series:
    """Takes messages in the order in which they come.

    Which number the series has is told by :meth:`expect`, at once or when ``arm`` has returned it; its start message
    may come before.

    Args:
        shape: rows and columns that its frames must have.
        dtype: of their pixels.
        channel: the threshold to keep; there must be no other.

    Attributes:
        began: whether its start message has come.
        ended: whether its end message has come, once or more often.
        frames: how many frames have come.
        passed_over: messages of earlier series that came before it began.
        saturated_at: as the start message has it; None when it does not tell.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.generic], channel: str):
        self._shape, self._dtype, self._channel = shape, dtype, channel
        self._number: int | None = None
        self._any = False
        self._started: dict[int, Start] = {}
        self.began = self.ended = False
        self.frames = self.passed_over = 0
        self.saturated_at: int | None = None

    def expect(self, number: int | None) -> None:
        """Tell which series this is.

        Args:
            number: what ``arm`` returned; None: the next one that starts, whatever its number.

        Raises:
            ReplyError: its start message came already and does not fit.
        """
        self._number, self._any = number, number is None
        start = None if number is None else self._started.get(number)
        self._started.clear()
        if start is not None:
            self._begin(start)

    def take(self, message: Message) -> Frame | None:
        """Take a message.

        Returns:
            The frame that it holds, if it is one of this series.

        Raises:
            ReplyError: it is of another series while this one runs, a frame is missing, comes twice or does not fit.
        """
        if not self.began:
            self._await_start(message)
            return None
        if message.series != self._number:
            if isinstance(message, End):
                return None  # told once more, or late
            raise ReplyError(
                f"series {message.series} came in while series {self._number} runs; does another program use the "
                "detector?"
            )
        match message:
            case Start():
                raise ReplyError(f"series {message.series} started twice")
            case End():
                self.ended = True
                return None
            case Image():
                return self._take_image(message)

    def _await_start(self, message: Message) -> None:
        if not isinstance(message, Start):
            self.passed_over += 1
        elif self._any or message.series == self._number:
            self._begin(message)
        elif self._number is None and len(self._started) < _MOST_STARTS:
            self._started[message.series] = message
        else:
            self.passed_over += 1

    def _begin(self, start: Start) -> None:
        if start.shape not in (None, self._shape):
            raise ReplyError(f"the stream announces frames of {start.shape} pixels, the detector {self._shape}")
        if start.channels not in (None, (self._channel,)):
            others = ", ".join(start.channels or ()) or "none"
            raise ReplyError(f"each frame holds the channels {others}; enable {self._channel} alone")
        self._number, self.began, self.saturated_at = start.series, True, start.saturated_at

    def _take_image(self, image: Image) -> Frame:
        if image.number != self.frames:
            what = "came twice" if image.number < self.frames else "is missing"
            raise ReplyError(f"frame {min(image.number, self.frames)} {what}: frame {image.number} came instead")
        if set(image.channels) not in ({self._channel}, {None}):
            raise ReplyError(f"frame {image.number} holds the channels {', '.join(map(str, image.channels))!r:.80}")
        (pixels,) = image.channels.values()
        if pixels.shape != self._shape or pixels.dtype != self._dtype:
            was = f"{pixels.shape} pixels of {pixels.dtype}"
            raise ReplyError(f"frame {image.number} has {was} instead of {self._shape} of {self._dtype}")
        self.frames += 1
        return Frame(image.number, pixels, image.start_s, image.exposure_s)
