"""Reads the newest frame of a detector in a thread of its own: a file server that hangs holds up nothing but frames."""

import logging
import threading
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flowlab.live.references import FrameError, FrameReference, MissingFrameError
from flowlab.watch.scattering import SeenFrame, WantedFrame, reduced

_LOG = logging.getLogger(__name__)
#: Real seconds: until a frame that is not there is looked for again; from when on one that is being read is told to be.
_AGAIN_S, _SLOW_S = 0.5, 2.0
#: How long a read under way is waited for in the end; one that never returns is left.
_CLOSE_WITHIN_S = 1.0


class Reader(Protocol):
    """Reads frames."""

    def __call__(self, reference: FrameReference) -> NDArray[np.integer]:
        """A frame, shape (rows, columns); raises FrameError where it cannot be had."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class FrameLookout:
    """Looks for the frame that is wanted, until it is there or another one is wanted. Close it.

    Args:
        reader: used, and closed, in the thread that reads.
    """

    def __init__(self, reader: Reader):
        self._reader = reader
        self._changed = threading.Condition()
        self._closed = False
        #: What is wanted; what was found last, and once more until it is taken.
        self._wanted: WantedFrame | None = None
        self._known: SeenFrame | None = None
        self._found: SeenFrame | None = None
        #: What is being read, and since when.
        self._under_way: tuple[WantedFrame, float] | None = None
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def want(self, wanted: WantedFrame | None) -> None:
        """Look for this one, and for none that was wanted before. Nothing is waited for."""
        with self._changed:
            if wanted is not self._wanted:
                self._wanted = wanted
                self._changed.notify()

    def take(self) -> SeenFrame | None:
        """What was found since this was called last, if anything. Nothing is waited for."""
        with self._changed:
            if self._under_way is not None:
                wanted, since_s = self._under_way
                if time.monotonic() - since_s > _SLOW_S:
                    why = f"{_name(wanted)} is being read and does not come; its file server may hang"
                    self._find(_unseen(wanted, why))
            found, self._found = self._found, None
            return found

    @property
    def looks(self) -> bool:
        """Whether a frame is wanted of which nothing was taken yet."""
        with self._changed:
            return self._found is not None or self._is_another

    @property
    def _is_another(self) -> bool:
        return self._wanted is not (None if self._known is None else self._known.wanted)

    def _find(self, seen: SeenFrame) -> None:
        """Have something told, unless it is what was told last."""
        known, self._known = self._known, seen
        if known is None or (known.wanted, known.why) != (seen.wanted, seen.why):
            self._found = seen

    def _run(self) -> None:
        again_s: float | None = None
        while (wanted := self._next(again_s)) is not None:
            seen, missing = self._look(wanted)
            again_s = _AGAIN_S if missing else None
            with self._changed:
                self._under_way = None
                self._find(seen)
        self._reader.close()

    def _next(self, again_s: float | None) -> WantedFrame | None:
        """What is to be read: something else than before, or that again after so many seconds; None: it is closed."""
        with self._changed:
            while not self._closed:
                self._changed.wait_for(lambda: self._closed or self._is_another, again_s)
                if self._wanted is None:
                    self._known = again_s = None
                elif not self._closed:
                    self._under_way = self._wanted, time.monotonic()
                    return self._wanted
        return None

    def _look(self, wanted: WantedFrame) -> tuple[SeenFrame, bool]:
        """What becomes of it, and whether it may still come."""
        try:
            return SeenFrame(wanted, *reduced(self._reader(wanted.reference)), None), False
        except FrameError as error:
            return _unseen(wanted, str(error)), isinstance(error, MissingFrameError)
        except Exception as error:  # noqa: BLE001  files come from outside: none may end the thread
            _LOG.warning("a frame cannot be shown", exc_info=True)
            return _unseen(wanted, f"{_name(wanted)} cannot be shown: {type(error).__name__}: {error}"), False

    def close(self) -> None:
        """End; a read that hangs is left alone. Closing twice is harmless."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_WITHIN_S)


def _unseen(wanted: WantedFrame, why: str) -> SeenFrame:
    return SeenFrame(wanted, None, None, why)


def _name(wanted: WantedFrame) -> str:
    return f"{wanted.reference.file.uri}: frame {wanted.reference.index}"
