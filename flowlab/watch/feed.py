"""Where a picture comes from: documents, results and readings over ZeroMQ, and what was missed from the journals."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from flowlab.config import Material, load_material
from flowlab.errors import FlowlabError
from flowlab.live.frames import FrameReader
from flowlab.stream import RAW, RESULTS, GapError, Message, RunStore, Subscriber
from flowlab.stream.readings import ReadingsSubscriber
from flowlab.watch.frames import FrameLookout
from flowlab.watch.picture import Picture

_LOG = logging.getLogger(__name__)
#: Readings are told once a second. Who looks sees how old they are; then they are no use to anybody.
_OLD_S = 30.0
#: Of documents that wait, so many are taken at a time: whoever looks sees the picture grow.
_AT_ONCE = 64
#: Runs that only moved liquids, which are passed over to find one to be shown.
_MOST_LOOKED_AT = 20


class Feed:
    """Keeps a picture as new as what comes. Use as a context, or close it; one thread at a time.

    Args:
        documents: where the proxy gives documents out.
        replay: address of the replay service.
        data: folder of the runs, for frames of detectors; None: frames are not shown.

    Attributes:
        picture: what is kept.
        changing: held while the picture is changed, and never while something is waited for.
    """

    def __init__(self, documents: str, replay: str, data: Path | None):
        self.picture = Picture(_material)
        self.changing = threading.Lock()
        self._raw = Subscriber(documents, replay, prefix=RAW)
        self._results = Subscriber(documents, replay, prefix=RESULTS)
        self._frames = None if data is None else FrameLookout(FrameReader(RunStore(data).frames, within_s=0.0))
        self._readings = ReadingsSubscriber(documents)
        self._heard = 0.0
        self._before: list[str] = []
        self._followed: set[tuple[str | None, str]] = set()
        self._analyses: dict[str, str] = {}
        self._begun = False
        self._complaint = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close sockets and files; closing twice is harmless."""
        self._raw.close()
        self._results.close()
        self._readings.close()
        if self._frames is not None:
            self._frames.close()

    def take(self) -> bool:
        """Take some of what has come; whether there was anything."""
        try:
            came = self._take_readings() | self._take_frame()  # first: they wait for nothing that has to be asked for
            if not self._begun:
                self._begin()
            return self._take() or came
        except GapError as error:
            self._complain(f"documents are missing here; they are recorded: {error}")
            return False

    @property
    def looks_for_frame(self) -> bool:
        """Whether there is a frame of which nothing is shown yet, not even why."""
        return self._frames is not None and self._frames.looks

    def wait(self, wait_s: float) -> None:
        """Wait until something comes, or so many real seconds."""
        Subscriber.wait(self._raw, self._results, self._readings, timeout_s=wait_s)

    def _begin(self) -> None:
        """Of the runs that there are, the newest is followed from its beginning, and none before it."""
        runs, analyses = self._raw.runs(), self._results.runs()
        for subscriber, uids in ((self._raw, runs), (self._results, analyses)):
            for uid in uids:
                subscriber.ignore(uid)
        self._before = runs[-_MOST_LOOKED_AT:]
        if analyses:
            self._results.follow(analyses[-1])
        self._follow_earlier()
        self._begun = True

    def _follow_earlier(self) -> None:
        """Until there is a run to be shown, look at the one before; and at those that the one shown resumes."""
        if self._before and self.picture.run_uid is None:
            self._raw.follow(self._before.pop())
        wanted = {(self.picture.run_uid, uid) for uid in self.picture.runs_before()}
        for _, uid in sorted(wanted - self._followed):
            self._raw.follow(uid)
        self._followed = wanted

    def _take(self) -> bool:
        """Documents first, then what follows from them: an analysis is never shown before its run."""
        came = False
        for _ in range(_AT_ONCE):
            message = self._raw.receive(0.0)
            if message is None:
                break
            came = True
            self._show(self.picture.take_document, message)
            if message.name == "start":
                self._follow_earlier()
                if message.run_uid in self._analyses:  # which was heard of first, and not shown
                    self._results.follow(self._analyses[message.run_uid])
        else:
            return True
        for _ in range(_AT_ONCE):
            result = self._results.receive(0.0)
            if result is None:
                break
            if result.name == "start":
                recent = list(self._analyses.items())[-_MOST_LOOKED_AT:]
                self._analyses = {**dict(recent), str(result.doc.get("parent_run")): result.run_uid}
            self._show(self.picture.take_result, result)
            came = True
        return came

    def _take_frame(self) -> bool:
        if self._frames is None:
            return False
        self._frames.want(self.picture.wanted_frame())
        seen = self._frames.take()
        if seen is None:
            return False
        with self.changing:
            return self.picture.show_frame(seen)

    def _take_readings(self) -> bool:
        newest = None
        while (readings := self._readings.receive(0.0)) is not None:
            newest = readings
        if newest is not None:
            self._heard = time.monotonic()
            with self.changing:
                self.picture.take_readings(msgspec.to_builtins(newest))
        elif self.picture.sections.get("readings") is not None and time.monotonic() - self._heard > _OLD_S:
            with self.changing:
                self.picture.take_readings(None)
        return newest is not None

    def _show(self, take: Callable[[Message], None], message: Message) -> None:
        """Have the picture take a document; one that makes no sense is left out, and the others are shown."""
        try:
            with self.changing:
                take(message)
        except Exception as error:  # noqa: BLE001  documents come from outside: none may end the picture
            where = f"{message.name} of run {message.run_uid[:8]}"
            _LOG.warning("a %s cannot be shown", where, exc_info=True)
            self._complain(f"a {where} cannot be shown: {type(error).__name__}: {error}")

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            with self.changing:
                self.picture.note("warning", text)


def _material(name: str) -> Material | None:
    try:
        return load_material(name)
    except FlowlabError:
        return None
