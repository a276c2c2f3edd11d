import contextlib
import os
import subprocess
import sys
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from devices.frames import file_uri
from flowlab.live.frames import FrameReader, local_path
from flowlab.live.references import FrameError, FrameReference, References, read_resource

SHAPE = (4, 6)
DATASET = "/entry/data/data"
FRAMES = np.arange(3 * 24, dtype="<u4").reshape(3, *SHAPE)


def write(path, frames=FRAMES, dataset=DATASET, **options):
    with h5py.File(path, "w", libver="latest") as file:
        options = {"chunks": (1, *frames.shape[1:]), "maxshape": (None, *frames.shape[1:]), **options}
        file.create_dataset(dataset, data=frames, **options)
    return path


def resource(path, **more):
    parameters = {"dataset": DATASET, "chunk_shape": [1, *SHAPE], "dtype_numpy": "<u4", "swmr": True, **more}
    uri = path if isinstance(path, str) else file_uri(path)
    return {"uid": "r", "data_key": "image", "mimetype": "application/x-hdf5", "uri": uri, "parameters": parameters}


def read(folder, path, index=0, **more):
    with FrameReader(folder, within_s=0.0) as reader:
        return reader(FrameReference(read_resource(resource(path, **more)), index))


@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip", "shuffle": True}, hdf5plugin.Bitshuffle(cname="lz4"), hdf5plugin.LZ4()]
)
def test_frames_are_read_by_their_number(tmp_path, options):
    path = write(tmp_path / "a.h5", **options)
    for index in range(3):
        assert (read(tmp_path, path, index) == FRAMES[index]).all()


WRITER = f"""
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    images = file.create_dataset("{DATASET}", (0, 4, 6), "<u4", maxshape=(None, 4, 6), chunks=(1, 4, 6))
    file.swmr_mode = True
    print("open", flush=True)
    for line in sys.stdin:
        images.resize(images.shape[0] + 1, 0)
        images[-1] = np.full((4, 6), int(line))
        images.flush()
        print("written", flush=True)
"""


def test_a_file_is_read_while_another_program_writes_it(tmp_path):
    path = tmp_path / "a.h5"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        written = []

        def write_one(_):
            """The reader waits: the writer gets on by a frame."""
            writer.stdin.write(f"{len(written)}\n")
            writer.stdin.flush()
            written.append(writer.stdout.readline())

        with FrameReader(tmp_path, within_s=1.0, now_s=lambda: 0.0, pause=write_one) as reader:
            announced = read_resource(resource(path))
            for index in range(5):
                assert (reader(FrameReference(announced, index)) == index).all()
                assert len(written) == index + 1
        writer.kill()
    assert writer.wait() < 0
    # what it had flushed is there, though the file was never closed
    assert (read(tmp_path, path, 4) == 4).all()


def test_a_frame_that_was_never_written_is_not_read_as_zeros(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file[DATASET].resize(5, 0)
    with pytest.raises(FrameError, match="frame 4 is not there"):
        read(tmp_path, path, 4)


def test_what_does_not_come_is_waited_for_once(tmp_path):
    path = write(tmp_path / "a.h5")
    now, pauses = [0.0], []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += 1.0

    with FrameReader(tmp_path, within_s=3.0, now_s=lambda: now[0], pause=pause) as reader:
        file = read_resource(resource(path))
        for index in (3, 4):
            with pytest.raises(FrameError, match=f"frame {index} is not there"):
                reader(FrameReference(file, index))
        assert len(pauses) == 3
        assert (reader(FrameReference(file, 2)) == FRAMES[2]).all()


def outside(tmp_path):
    return write(tmp_path / "outside.h5")


def linked(tmp_path):
    (tmp_path / "data" / "link.h5").symlink_to(outside(tmp_path))
    return tmp_path / "data" / "link.h5"


def folder(tmp_path):
    return tmp_path / "data"


def pipe(tmp_path):
    os.mkfifo(tmp_path / "data" / "pipe.h5")
    return tmp_path / "data" / "pipe.h5"


def climbing(tmp_path):
    return f"file://localhost{tmp_path}/data/%2e%2e/{outside(tmp_path).name}"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (outside, "outside the folder"),
        (linked, "outside the folder"),
        (climbing, "outside the folder"),
        (folder, "is no file"),
        (pipe, "is no file"),
        (lambda _: "http://localhost/a.h5", "no address of a file on this computer"),
        (lambda _: "file://elsewhere/a.h5", "no address of a file on this computer"),
        (lambda _: "file:a.h5", "no address of a file on this computer"),
        (lambda _: "file://localhost/a%00.h5", "no address of a file on this computer"),
        (lambda _: "file://[/a.h5", "no address of a file"),
        (lambda _: "file://localhost/" + 300 * "a", "outside the folder"),
    ],
)
def test_only_plain_files_below_the_folder_are_opened(tmp_path, made, words):
    (tmp_path / "data").mkdir()
    with pytest.raises(FrameError, match=words):
        read(tmp_path / "data", made(tmp_path))


def leads_elsewhere(path):
    other = write(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = h5py.ExternalLink(other.name, DATASET)


def leads_back(path):
    with h5py.File(path, "w") as file:
        file["entry/data/data"] = h5py.SoftLink("/entry/data/data")


def virtual(path):
    other = write(path.with_name("other.h5"))
    layout = h5py.VirtualLayout((3, *SHAPE), "<u4")
    layout[...] = h5py.VirtualSource(str(other), DATASET, (3, *SHAPE))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset(DATASET, layout)


def external(path):
    with h5py.File(path, "w") as file:
        file.create_dataset(DATASET, (3, *SHAPE), "<u4", external=[("/etc/hostname", 0, 288)])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (leads_elsewhere, "leads elsewhere"),
        (leads_back, "leads elsewhere"),
        (virtual, "no dataset that holds its own data"),
        (external, "no dataset that holds its own data"),
        (lambda path: write(path, dataset="/entry/data"), "has no dataset"),
        (lambda path: write(path, dataset="/entry/data/data/data"), "no dataset that holds its own data"),
        (lambda path: write(path, FRAMES.astype("<i4")), "was announced"),
        (lambda path: write(path, FRAMES.astype("<f8")), "was announced"),
        (lambda path: write(path, FRAMES[:, :2]), "was announced"),
        (lambda path: write(path, FRAMES[0]), "was announced"),
        (lambda path: write(path, chunks=(3, *SHAPE)), "not kept frame by frame"),
        (lambda path: write(path, chunks=None, maxshape=None), "not kept frame by frame"),
        (lambda path: write(path, scaleoffset=0), "compressed in a way that is not accepted"),
        (lambda path: path.write_bytes(b"no file of frames"), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
    ],
)
def test_a_file_is_believed_only_when_it_holds_what_was_announced(tmp_path, made, words):
    made(tmp_path / "a.h5")
    with pytest.raises(FrameError, match=words):
        read(tmp_path, tmp_path / "a.h5")


@pytest.mark.parametrize("at", range(0, 4000, 61))
def test_a_damaged_file_gives_a_frame_or_a_frame_error(tmp_path, at):
    path = write(tmp_path / "a.h5", **hdf5plugin.Bitshuffle(cname="lz4"))
    data = bytearray(path.read_bytes())
    for i in range(at, min(at + 16, len(data))):
        data[i] ^= 0xA5
    path.write_bytes(data)
    for index in range(3):
        with contextlib.suppress(FrameError):
            frame = read(tmp_path, path, index)
            assert (frame.shape, frame.dtype) == (SHAPE, FRAMES.dtype)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"mimetype": "image/tiff"}, "not in an HDF5 file"),
        ({"parameters": None}, "not in an HDF5 file"),
        ({"uri": 7}, "its uri is 7"),
        ({"uri": 5000 * "x"}, "its uri"),
    ],
)
def test_an_announcement_must_be_one(spoil, words):
    with pytest.raises(FrameError, match=words):
        read_resource({**resource("file://localhost/a.h5"), **spoil})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"dataset": ""}, "its dataset"),
        ({"chunk_shape": [4, 6]}, "its chunks"),
        ({"chunk_shape": [1, -4, 6]}, "its chunks"),
        ({"chunk_shape": [1, 10**6, 10**6]}, "no detector's"),
        ({"dtype_numpy": "<f8"}, "not integers"),
        ({"dtype_numpy": "O"}, "not integers"),
        ({"dtype_numpy": "(1000000,1000000)<u4"}, "not integers"),
        ({"dtype_numpy": None}, "not integers"),
    ],
)
def test_what_is_announced_must_be_frames(spoil, words):
    with pytest.raises(FrameError, match=words):
        read_resource(resource("file://localhost/a.h5", **spoil))


def datum(first_event, first_index, length=1, **more):
    events = {"start": first_event, "stop": first_event + length}
    indices = {"start": first_index, "stop": first_index + length}
    return {"stream_resource": "r", "descriptor": "d", "indices": indices, "seq_nums": events, **more}


def test_frames_are_found_by_the_number_of_their_event():
    references = References()
    references.take_resource(resource("file://localhost/a.h5"))
    references.take_datum(datum(1, 0, 2))
    references.take_datum(datum(3, 7))
    assert [references.find("d", n, "image", 1)[0].index for n in (3, 1, 2)] == [7, 0, 1]
    assert references.find("d", 4, "image", 1) is None
    assert references.find("other", 1, "image", 1) is None
    references.take_datum(datum(4, 5))
    assert references.find("d", 4, "other image", 1) is None
    assert [frame.index for frame in references.find("d", 4, "image", 3)] == [15, 16, 17]


@pytest.mark.parametrize(
    "spoilt", [datum(0, 0), datum(1, -1), datum(1, 0, 0), datum(1, 0, indices={"start": 0, "stop": 9})]
)
def test_references_that_do_not_fit_are_refused(spoilt):
    with pytest.raises(ValueError, match="those of events"):
        References().take_datum(spoilt)


def test_a_path_is_found_whatever_characters_it_has(tmp_path):
    path = tmp_path / "a folder, 20 % °C" / "frames #1.h5"
    path.parent.mkdir()
    write(path)
    assert local_path(file_uri(path), tmp_path) == Path(path).resolve()
