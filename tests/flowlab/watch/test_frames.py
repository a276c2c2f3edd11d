"""Frames that come late, or never: they are looked for beside all else that is shown."""

import subprocess
import sys
import time

import pytest

from flowlab.live.frames import FrameReader
from flowlab.live.references import FrameReference, read_resource
from flowlab.watch.frames import FrameLookout
from flowlab.watch.scattering import SeenFrame, WantedFrame, reduced
from tests.flowlab.live.test_frames import FRAMES, resource, write
from tests.flowlab.watch.hub import Hub, at, liquids
from tests.flowlab.watch.test_feed import log, until
from tests.saxs_runs import RADII, series

#: Holds a file so that whoever opens it hangs, until it is told to let go: as on a file server that does not answer.
HOLDER = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hub(tmp_path):
    one = Hub(tmp_path / "runs")
    yield one
    one.close()


@pytest.fixture
def frames(hub):
    """The file of the newest frames of a run that was recorded."""
    hub.record(at(0, series(hub.store.frames, {190.0: RADII[190.0]})))
    hub.frames.close()
    (path,) = hub.store.frames.rglob("*-saxs.h5")
    return path


@pytest.fixture
def lookout(tmp_path):
    one = FrameLookout(FrameReader(tmp_path, within_s=0.0))
    yield one
    one.close()


def wanted(path, index: int) -> WantedFrame:
    return WantedFrame("saxs", FrameReference(read_resource(resource(path)), index), 1.7e9 + index)


def next_of(lookout: FrameLookout) -> SeenFrame:
    end = time.monotonic() + 30
    while (seen := lookout.take()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return seen


def test_a_frame_that_is_not_there_is_told_once_and_looked_for_until_it_is(tmp_path, lookout):
    one = wanted(tmp_path / "a.h5", 1)
    assert not lookout.looks
    lookout.want(one)
    assert lookout.looks
    missing = next_of(lookout)
    assert (missing.wanted, missing.pixels, missing.counts_at_255) == (one, None, None)
    assert missing.why == f"{tmp_path / 'a.h5'}: is not there"
    assert not lookout.looks
    write(tmp_path / "written.h5").rename(tmp_path / "a.h5")
    seen = next_of(lookout)
    pixels, most = reduced(FRAMES[1])
    assert (seen.wanted, seen.counts_at_255, seen.why) == (one, most, None)
    assert (seen.pixels == pixels).all()


def test_a_newer_one_is_looked_for_instead(tmp_path, lookout):
    path = write(tmp_path / "a.h5")
    missing, there = wanted(tmp_path / "b.h5", 0), wanted(path, 2)
    lookout.want(missing)
    assert next_of(lookout).wanted is missing
    lookout.want(there)
    assert next_of(lookout).wanted is there
    write(tmp_path / "b.h5")
    last = wanted(path, 0)
    lookout.want(last)
    assert next_of(lookout).wanted is last


def test_what_is_no_frame_is_told_and_the_next_is_looked_for(tmp_path, lookout):
    (tmp_path / "folder").mkdir()
    lookout.want(wanted(tmp_path / "folder", 0))
    assert next_of(lookout).why == f"{tmp_path / 'folder'}: is no file"
    lookout.want(None)
    lookout.want(wanted(write(tmp_path / "a.h5"), 0))
    assert next_of(lookout).why is None


def test_a_frame_that_comes_later_is_shown_then(hub, frames):
    frames.rename(frames.with_suffix(".late"))
    with hub.feed() as feed:
        until(feed, lambda: feed.picture.sections.get("frame") is not None)
        frame = feed.picture.sections.get("frame")
        assert (frame["pixels"], frame["width"], frame["why"]) == (None, 0, f"{frames}: is not there")
        frames.with_suffix(".late").rename(frames)
        until(feed, lambda: feed.picture.sections.get("frame")["pixels"] is not None)
        assert feed.picture.sections.get("frame")["why"] is None


def test_a_file_server_that_hangs_holds_up_nothing_but_its_frames(hub, frames):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(frames)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with hub.feed() as feed:
            sections = feed.picture.sections
            until(feed, lambda: sections.get("frame") is not None)
            told = f"{frames.as_uri()}: frame 2 is being read and does not come; its file server may hang"
            assert sections.get("frame")["why"].replace("//localhost", "//") == told
            assert feed.changing.acquire(blocking=False)
            feed.changing.release()
            hub.record(liquids(1))
            until(feed, lambda: "made_up ended well" in log(feed))
            assert len(sections.get("saxs_points")) == 1
            assert sections.get("frame")["pixels"] is None
            holder.stdin.close()
            until(feed, lambda: sections.get("frame")["pixels"] is not None)
            assert sections.get("frame")["why"] is None
