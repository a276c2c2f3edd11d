"""Events of a detector and the frames that belong to them, brought together in whatever order they come."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowlab.live.references import FrameError, FrameReference, References

#: Events that wait for their frames; beyond, the oldest is given up.
_MOST_WAITING = 1000
_MOST_IMAGES = 10_000


@dataclass(frozen=True)
class Exposure:
    """An event of a detector.

    Attributes:
        stream: its name.
        event: the document.
        frames: where its frames are; empty when that is not known.
        why: the reason then.
    """

    stream: str
    event: dict[str, Any]
    frames: tuple[FrameReference, ...]
    why: str


@dataclass(frozen=True)
class _Stream:
    name: str
    images: int


class Exposures:
    """Takes in a run's documents and gives exposures as soon as they are whole.

    Args:
        data_key: of the frames.
    """

    def __init__(self, data_key: str):
        self._data_key = data_key
        self._references = References()
        self._streams: dict[str, _Stream] = {}
        self._waiting: dict[tuple[str, int], dict[str, Any]] = {}

    def take(self, name: str, doc: dict[str, Any]) -> Iterator[Exposure]:
        """Exposures that are whole with this document.

        Raises:
            ValueError, KeyError, TypeError: the document makes no sense.
        """
        match name:
            case "descriptor" if self._data_key in doc["data_keys"]:
                images = int(doc["data_keys"][self._data_key]["shape"][0])
                if not 1 <= images <= _MOST_IMAGES:
                    raise ValueError(f"{self._data_key}: {images} frames in an event")
                self._streams[str(doc["uid"])] = _Stream(str(doc["name"]), images)
            case "stream_resource":
                self._references.take_resource(doc)
            case "stream_datum":
                self._references.take_datum(doc)
                yield from self._match(str(doc["descriptor"]))
            case "event" if doc["descriptor"] in self._streams:
                self._waiting[str(doc["descriptor"]), int(doc["seq_num"])] = doc
                yield from self._match(str(doc["descriptor"]))
                if len(self._waiting) > _MOST_WAITING:
                    yield self._given_up(next(iter(self._waiting)))
            case _:
                pass

    def finish(self) -> Iterator[Exposure]:
        """Those that wait in vain."""
        while self._waiting:
            yield self._given_up(next(iter(self._waiting)))

    def _given_up(self, key: tuple[str, int]) -> Exposure:
        event = self._waiting.pop(key)
        return Exposure(self._streams[key[0]].name, event, (), "no document told where its frame is")

    def _match(self, descriptor: str) -> Iterator[Exposure]:
        stream = self._streams.get(descriptor)
        if stream is None:
            return
        for key in [key for key in self._waiting if key[0] == descriptor]:
            try:
                frames, why = self._references.find(*key, self._data_key, stream.images), ""
            except FrameError as error:
                frames, why = [], str(error)
            if frames is not None:
                yield Exposure(stream.name, self._waiting.pop(key), tuple(frames), why)
