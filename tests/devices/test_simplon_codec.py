"""SIMPLON's bodies and stream messages against its documentation, and against whatever else may come.

Sources, as ``[page]`` below: SIMPLON 1.8 API documentation, document version 3.2 (in areaDetector/ADEiger); and
``[stream_v2]``, ``[tag]``: github.com/dectris/documentation; ``[ADEiger]``: areaDetector's driver; ``[recorded]``:
messages of an Eiger2 16M that tickit-devices carries. Messages here are made by hand from these, not by the simulator.
"""

import contextlib
import json
import struct
from pathlib import Path

import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import DeviceError, ReplyError
from devices.frame_writer import FrameWriter
from devices.protocols import simplon
from devices.protocols.compressed import DTYPES, Pixels, as_chunk
from devices.protocols.simplon_series import Series
from devices.protocols.simplon_stream import End, Image, Start, decode_cbor, decode_legacy

U2 = DTYPES["uint16"]
IMAGE = (np.arange(100 * 70, dtype="<u2") // 50).reshape(100, 70)

# HTTP


def test_resources_are_where_the_documentation_has_them():
    """[page 7] and [page 50]."""
    assert simplon.resource("detector", "1.8.0", "config", "count_time") == "/detector/api/1.8.0/config/count_time"
    assert simplon.resource("detector", "1.8.0", "command", "initialize") == "/detector/api/1.8.0/command/initialize"
    assert simplon.resource("stream", "1.8.0", "config", "mode") == "/stream/api/1.8.0/config/mode"
    assert simplon.version_resource("detector") == "/detector/api/version"  # [ADEiger]


def test_a_parameter_comes_with_its_limits():
    """[page 7]."""
    body = b"""{
    "min" : 0.01818171818181818, "max" : 3600, "value" : 0.5,
    "value_type" : "float", "access_mode" : "rw", "unit" : "s"
    }"""
    assert simplon.decode_parameter(body) == simplon.Parameter(0.5, 0.01818171818181818, 3600.0)


def test_setting_a_parameter_tells_which_ones_changed():
    """[page 8]."""
    assert json.loads(simplon.encode_value(1)) == {"value": 1}
    body = b"""[ "bit_depth_image", "count_time", "countrate_correction_count_cutoff", "frame_count_time",
    "frame_period" ]"""
    assert simplon.decode_changed(body)[1:3] == ("count_time", "countrate_correction_count_cutoff")
    assert simplon.decode_changed(b"") == ()


@pytest.mark.parametrize("key", ["sequence id", "series id", "sequence_id", "series_id"])
def test_arming_tells_the_number_of_the_series(key):
    """[page 34] and [ADEiger]."""
    assert simplon.decode_series(json.dumps({key: 17}).encode()) == 17


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"[]", b"3", b'"a"', b"\xff", b'{"value": NaN}'])
def test_what_is_no_parameter_is_refused(body):
    for decode in (simplon.decode_parameter, simplon.decode_series, simplon.decode_version):
        with pytest.raises(ReplyError):
            decode(body)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (simplon.as_number, True),
        (simplon.as_number, "1"),
        (simplon.as_number, None),
        (simplon.as_count, -1),
        (simplon.as_count, 1.5),
        (simplon.as_count, 2**64),
        (simplon.as_text, 3),
        (simplon.as_state, "asleep"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(read, value):
    with pytest.raises(ReplyError):
        read(simplon.Parameter(value))


# Streams

CBOR_END = bytes.fromhex(  # [recorded], whole
    "d9d9f7a3647479706563656e64697365726965735f6964193cfe707365726965735f756e697175655f6964"
    "781a3031484256334a50463954345a445041445836454d4b36584d5a"
)


def cbor_start(**changes) -> bytes:
    """[stream_v2], what the driver needs of it."""
    fields = {"type": "start", "series_id": 7, "image_size_x": 70, "image_size_y": 100, "channels": ["threshold_1"]}
    return cbor2.dumps(fields | {"saturation_value": 21517} | changes)


def cbor_image(typed, /, **changes) -> bytes:
    """[stream_v2]; rows before columns, as [recorded] has it: 4362 and 4148 for 4148 × 4362 pixels."""
    array = cbor2.CBORTag(40, [[100, 70], typed])
    times = {"start_time": [0, 50_000_000], "real_time": [215873, 50_000_000], "stop_time": [215873, 50_000_000]}
    fields = {"type": "image", "series_id": 7, "image_id": 3, "data": {"threshold_1": array}}
    return cbor2.dumps(cbor2.CBORTag(55799, fields | times | changes))


def compressed(algorithm: str, size: int, blob: bytes, tag: int = 69) -> cbor2.CBORTag:
    return cbor2.CBORTag(tag, cbor2.CBORTag(56500, [algorithm, size, blob]))


def blob(image: np.ndarray, **options) -> bytes:
    """What HDF5's filters write, which [tag] names as the format of compressed pixels."""
    with h5py.File("blob", "w", driver="core", backing_store=False) as file:
        return file.create_dataset("d", data=image, chunks=image.shape, **options).id.read_direct_chunk((0, 0))[1]


BSLZ4 = hdf5plugin.Bitshuffle(cname="lz4")


def legacy_image(data: bytes, encoding: str, **changes) -> list[bytes]:
    """[page 50]."""
    shape = {"htype": "dimage_d-1.0", "shape": [70, 100], "type": "uint16", "encoding": encoding, "size": len(data)}
    return [
        b'{"htype":"dimage-1.0","series": 7,"frame": 3,"hash": "fc67f000d08fe6b380ea9434b8362d22"}',
        json.dumps(shape | changes).encode(),
        data,
        b'{"htype":"dconfig-1.0","start_time": 834759834260,"stop_time": 834760834280,"real_time": 1000000}',
    ]


def test_a_series_starts_and_ends():
    assert decode_cbor(cbor_start()) == Start(7, (100, 70), ("threshold_1",), 21517)
    assert decode_cbor(CBOR_END) == End(15614)
    assert decode_legacy([b'{"htype": "dseries_end-1.0","series": 7}']) == End(7)  # [page 50]
    config = {"x_pixels_in_detector": 70, "y_pixels_in_detector": 100, "countrate_correction_count_cutoff": 900}
    basic = [b'{"htype":"dheader-1.0","series": 1,"header_detail": "basic"}', json.dumps(config).encode()]  # [page 49]
    assert decode_legacy(basic) == Start(1, (100, 70), None, 900)
    assert decode_legacy([b'{"htype":"dheader-1.0","series": 1,"header_detail": "none"}']) == Start(1)


@pytest.mark.parametrize(
    ("message", "exposure_s"),
    [
        (decode_cbor(cbor_image(compressed("bslz4", 2, blob(IMAGE, **BSLZ4)))), 215873 / 50e6),
        (decode_cbor(cbor_image(compressed("lz4", 0, blob(IMAGE, **hdf5plugin.LZ4())))), 215873 / 50e6),
        (decode_cbor(cbor_image(cbor2.CBORTag(69, IMAGE.tobytes()))), 215873 / 50e6),
        (decode_legacy(legacy_image(blob(IMAGE, **BSLZ4), "bs16-lz4<")), 1e-3),
        (decode_legacy(legacy_image(blob(IMAGE, **hdf5plugin.LZ4(nbytes=IMAGE.nbytes))[16:], "lz4<")), 1e-3),
        (decode_legacy(legacy_image(IMAGE.tobytes(), "<")), 1e-3),
    ],
    ids=["cbor bslz4", "cbor lz4", "cbor", "legacy bs16-lz4<", "legacy lz4<", "legacy <"],
)
def test_a_frame_in_each_encoding_goes_into_a_file_as_it_came(message, exposure_s, tmp_path):
    assert isinstance(message, Image)
    assert (message.series, message.number) == (7, 3)
    assert message.exposure_s == pytest.approx(exposure_s)
    (pixels,) = message.channels.values()
    compression, chunk = as_chunk(pixels)
    writer = FrameWriter("saxs", tmp_path / "a.h5", (100, 70), U2, compression, {}, {})
    np.testing.assert_array_equal(writer.write(0, compression, chunk), IMAGE)
    writer.close()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00",
        b"\xff" * 40,
        cbor2.dumps([1]),
        cbor2.dumps({"type": "image"}),
        cbor2.dumps({"type": "dance", "series_id": 1}),
        b"\x81" * 100_000,
        bytes.fromhex("9b000000ffffffffff"),  # 2⁴⁰ items, bytes and digits that do not come
        bytes.fromhex("5b7fffffffffffffff"),
        bytes.fromhex("c25b00000000ffffffff"),
        cbor2.dumps({"type": "end", "series_id": True}),
        cbor_start(image_size_x=-1),
        cbor_start(channels="threshold_1"),
        cbor_image(cbor2.CBORTag(65, IMAGE.tobytes())),  # big-endian
        cbor_image(cbor2.CBORTag(86, IMAGE.tobytes())),  # floats
        cbor_image(IMAGE.tobytes()),
        cbor_image(compressed("zip", 2, b"")),
        cbor_image(compressed("bslz4", 4, b"")),
        cbor_image(cbor2.CBORTag(69, [1, 2])),
        cbor_image(cbor2.CBORTag(69, b""), real_time=[1, 0]),
        cbor_image(cbor2.CBORTag(69, b""), image_id=-1),
        cbor_image(cbor2.CBORTag(69, b""), data={"threshold_1": cbor2.CBORTag(40, [[2**40, 2], b""])}),
        cbor_image(cbor2.CBORTag(69, b""), data=[]),
    ],
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ReplyError):
        decode_cbor(message)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"{"],
        [b"[]"],
        [b'{"htype": "dimage-1.0", "series": 1}'],
        [b'{"htype": "dwarf-1.0", "series": 1}'],
        legacy_image(b"abc", "<")[:3],
        legacy_image(b"abc", "bs16<"),
        legacy_image(b"abc", "bs32-lz4<"),
        legacy_image(b"abc", "lz4>"),
        legacy_image(b"abc", "zip<"),
        legacy_image(b"abc", "<", size=4),
        legacy_image(b"abc", "<", shape=[70]),
        legacy_image(b"abc", "<", shape=[70, 100, 2]),
        legacy_image(b"abc", "<", shape=[70, "a"]),
        legacy_image(b"abc", "<", type="float32"),
    ],
)
def test_what_is_no_legacy_message_is_refused(parts):
    with pytest.raises(ReplyError):
        decode_legacy(parts)


@given(st.binary(max_size=200))
def test_nothing_but_an_error_of_ours_comes_of_noise(noise):
    for decode, message in ((decode_cbor, noise), (decode_legacy, [noise]), (decode_legacy, [noise] * 4)):
        with contextlib.suppress(ReplyError):
            decode(message)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_spoilt_byte_gives_an_error_of_ours_or_a_message(place, value):
    message = bytearray(cbor_image(compressed("bslz4", 2, blob(IMAGE, **BSLZ4))))
    message[place % len(message)] = value
    with contextlib.suppress(ReplyError):
        found = decode_cbor(bytes(message))
        if isinstance(found, Image):
            as_chunk(*found.channels.values())


# Compressed pixels


def test_a_frame_that_is_cut_anywhere_is_refused():
    for options, encoding in ((BSLZ4, "bslz4"), (hdf5plugin.LZ4(nbytes=4096), "lz4")):
        whole = blob(IMAGE, **options)
        as_chunk(Pixels(IMAGE.shape, U2, encoding, whole))
        for end in range(len(whole)):
            with pytest.raises(ReplyError):
                as_chunk(Pixels(IMAGE.shape, U2, encoding, whole[:end]))
        with pytest.raises(ReplyError):
            as_chunk(Pixels(IMAGE.shape, U2, encoding, whole + b"\0"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (1, 8), (3, 5), (64, 64), (65, 127)])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_frames_of_every_size_are_followed_to_their_end(shape, dtype):
    image = np.arange(shape[0] * shape[1]).reshape(shape).astype(dtype)
    assert as_chunk(Pixels(shape, dtype, "bslz4", blob(image, **BSLZ4)))[0] == "bslz4"
    assert as_chunk(Pixels(shape, dtype, "lz4", blob(image, **hdf5plugin.LZ4(nbytes=1024))))[0] == "lz4"


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("none", b"\0" * (IMAGE.nbytes - 1)),
        ("lz4 block", b""),
        ("lz4 block", b"\0" * IMAGE.nbytes),
        ("bslz4", struct.pack(">QL", IMAGE.nbytes + 1, 8192) + b"\0" * 100),
        ("bslz4", struct.pack(">QL", 2**63, 8192) + b"\0" * 100),
        ("bslz4", struct.pack(">QL", IMAGE.nbytes, 0) + b"\0" * 100),
        ("bslz4", struct.pack(">QL", IMAGE.nbytes, 8193) + b"\0" * 100),
        ("bslz4", struct.pack(">QLL", IMAGE.nbytes, 8192, 2**32 - 1) + b"\0" * 100),
        ("lz4", struct.pack(">QL", IMAGE.nbytes, 2**32 - 1) + b"\0" * 100),
    ],
)
def test_lengths_that_lead_astray_are_refused_before_anything_follows_them(encoding, data):
    with pytest.raises(ReplyError):
        as_chunk(Pixels(IMAGE.shape, U2, encoding, data))


def test_pixels_that_do_not_decompress_are_an_error_that_names_file_and_device(tmp_path):
    spoilt = bytearray(blob(IMAGE, **BSLZ4))
    spoilt[16:40] = b"\xff" * 24
    writer = FrameWriter("saxs", tmp_path / "a.h5", (100, 70), U2, "bslz4", {}, {})
    with pytest.raises(DeviceError, match=r"^saxs: .*a\.h5: frame 0 cannot be kept"):
        writer.write(0, *as_chunk(Pixels(IMAGE.shape, U2, "bslz4", bytes(spoilt))))
    writer.close()


# A series


def image(number: int, series: int = 7, channel: str | None = "threshold_1", shape=(100, 70), dtype=U2) -> Image:
    return Image(series, number, {channel: Pixels(shape, dtype, "none", b"")}, 0.0, 0.1)


def begun(number: int | None = 7) -> Series:
    series = Series((100, 70), U2, "threshold_1")
    series.expect(number)
    series.take(Start(7, (100, 70), ("threshold_1",), 900))
    return series


def test_what_an_earlier_series_left_is_passed_over():
    series = Series((100, 70), U2, "threshold_1")
    for left in (image(5, 6), End(6), Start(5), Start(7), End(5)):  # its own start came before arm returned
        assert series.take(left) is None
    assert not series.began
    series.expect(7)
    assert series.began
    assert series.passed_over == 3
    assert series.take(image(0)).number == 0


def test_a_series_of_another_number_is_ours_only_when_that_was_asked_for():
    strict = Series((100, 70), U2, "threshold_1")
    strict.expect(1007)
    strict.take(Start(7))
    assert not strict.began
    assert begun(None).began


def test_an_end_may_come_more_than_once_and_late():
    series = begun()
    for end in (End(6), End(7), End(7), End(7)):
        assert series.take(end) is None
    assert series.ended


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (image(1), "frame 0 is missing: frame 1 came instead"),
        (image(0, series=8), "series 8 came in while series 7 runs"),
        (Start(8), "series 8 came in while series 7 runs"),
        (Start(7), "series 7 started twice"),
        (image(0, channel="threshold_2"), "frame 0 holds the channels"),
        (image(0, shape=(70, 100)), "frame 0 has"),
        (image(0, dtype=DTYPES["uint32"]), "frame 0 has"),
    ],
)
def test_what_does_not_fit_into_the_series_is_refused(message, complaint):
    with pytest.raises(ReplyError, match=complaint):
        begun().take(message)


def test_a_frame_that_comes_twice_is_refused():
    series = begun()
    series.take(image(0))
    with pytest.raises(ReplyError, match="frame 0 came twice"):
        series.take(image(0))


def test_a_series_that_announces_something_else_is_refused():
    for start in (Start(7, (1, 1)), Start(7, None, ("threshold_1", "threshold_2"))):
        series = Series((100, 70), U2, "threshold_1")
        series.expect(7)
        with pytest.raises(ReplyError):
            series.take(start)


# The file


def test_a_file_is_read_while_it_is_written(tmp_path: Path):
    writer = FrameWriter(
        "saxs", tmp_path / "a.h5", (100, 70), U2, "bslz4", {"count_time": (0.1, "s")}, {"start_s": "s"}
    )
    with h5py.File(writer.path, swmr=True) as reader:
        for index in range(3):
            writer.write(index, "bslz4", blob(IMAGE + index, **BSLZ4))
            writer.note(index, {"start_s": 0.5 * index})
        reader["entry/data/data"].refresh()
        reader["entry/data/start_s"].refresh()
        np.testing.assert_array_equal(reader["entry/data/data"][2], IMAGE + 2)
        assert list(reader["entry/data/start_s"]) == [0.0, 0.5, 1.0]
        assert reader["entry/instrument/detector/count_time"].attrs["units"] == "s"
    writer.close()


def test_a_frame_may_be_replaced(tmp_path: Path):
    writer = FrameWriter("saxs", tmp_path / "a.h5", (100, 70), U2, "bslz4", {}, {})
    writer.write(0, "bslz4", blob(IMAGE * 0, **BSLZ4))
    writer.write(0, "bslz4", blob(IMAGE, **BSLZ4))
    writer.close()
    with h5py.File(writer.path) as reader:
        np.testing.assert_array_equal(reader["entry/data/data"], IMAGE[None])


def test_a_frame_of_another_compression_is_refused(tmp_path: Path):
    writer = FrameWriter("saxs", tmp_path / "a.h5", (100, 70), U2, "bslz4", {}, {})
    with pytest.raises(DeviceError, match="a frame came as lz4, though bslz4 was set"):
        writer.write(0, "lz4", b"")
    writer.close()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match=r"saxs: .*file"):
        FrameWriter("saxs", tmp_path / "file" / "a.h5", (100, 70), U2, "bslz4", {}, {})
