"""Readings: published beside the documents, for whoever subscribes to them and for nobody else."""

import contextlib
import math
import time

import msgspec
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from flowlab.stream import (
    RAW,
    READINGS,
    CodecError,
    GaugeReading,
    InterlockState,
    Proxy,
    Readings,
    ReadingsPublisher,
    ReadingsSubscriber,
    pack,
    unpack,
)

GAUGE = GaugeReading(
    name="growth",
    place="growth",
    label="growth oven",
    device="growth_heater",
    signal="temperature_c",
    units="°C",
    value=261.5,
    setpoint=260.0,
    left=None,
    left_units=None,
    low=15.0,
    high=360.0,
    trips_below=None,
    trips_above=370.0,
    at=1_700_000_000.0,
    every_s=1.0,
    why=None,
)
LOCK = InterlockState(name="hot", action="safe", when="growth_heater.temperature_c above 370", tripped=None)


def readings(*gauges: GaugeReading, at: float = 1_700_000_001.0) -> Readings:
    return Readings(time=at, instrument="lab", speed=20.0, gauges=list(gauges), interlocks=[LOCK])


@contextlib.contextmanager
def met(subscriber: ReadingsSubscriber, send):
    """Send until something arrives: a subscription takes a moment to reach a publisher."""
    end = time.monotonic() + 30
    while not subscriber.socket.poll(20):
        assert time.monotonic() < end
        send()
    yield


@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def publisher(proxy):
    publisher = ReadingsPublisher(proxy.inward)
    yield publisher
    publisher.close()


@pytest.fixture
def subscriber(proxy):
    with ReadingsSubscriber(proxy.outward) as subscriber:
        yield subscriber


@pytest.mark.parametrize("value", [261.5, -3, "waste", "", True, False, None])
def test_readings_arrive_as_they_were_sent(publisher, subscriber, value):
    sent = readings(msgspec.structs.replace(GAUGE, value=value), GAUGE)
    with met(subscriber, lambda: publisher.send(sent)):
        got = subscriber.receive(30)
    assert got == sent
    assert got is not None
    assert type(got.gauges[0].value) is type(value)


def test_of_several_that_wait_the_newest_counts(proxy, publisher, subscriber):
    with met(subscriber, lambda: publisher.send(readings())):
        pass
    for i in range(5):
        publisher.send(readings(at=float(i)))
    seen = [0.0]
    while seen[-1] != 4.0:
        got = subscriber.receive(30)
        assert got is not None
        seen.append(got.time)
    assert subscriber.receive(0.05) is None


def test_none_comes_within_the_time_that_is_waited(subscriber):
    assert subscriber.receive(0.0) is None
    assert subscriber.receive(0.02) is None


def test_a_closed_publisher_sends_nothing_and_closing_twice_is_harmless(proxy, subscriber):
    publisher = ReadingsPublisher(proxy.inward)
    with met(subscriber, lambda: publisher.send(readings())):
        pass
    publisher.close()
    publisher.close()
    subscriber.receive(0.2)
    publisher.send(readings())
    assert subscriber.receive(0.2) is None


def test_the_message_is_bluesky_s_own_in_form_and_no_prefix_of_documents(publisher, subscriber):
    with met(subscriber, lambda: publisher.send(readings(GAUGE))):
        prefix, name, payload = subscriber.socket.recv().split(b" ", 2)
    assert prefix == name == READINGS
    assert not READINGS.startswith((RAW, b"results", b"heartbeat"))
    assert list(unpack(payload)) == ["time", "instrument", "speed", "gauges", "interlocks"]
    (gauge,) = unpack(payload)["gauges"]
    assert list(gauge) == list(GAUGE.__struct_fields__)


def plain(**changed: object) -> dict[str, object]:
    return msgspec.to_builtins(readings(GAUGE)) | changed


def gauge(**changed: object) -> dict[str, object]:
    return plain(gauges=[msgspec.to_builtins(GAUGE) | changed])


@pytest.mark.parametrize(
    "wrong",
    [
        plain(time="now"),
        plain(time=math.nan),
        plain(speed=math.inf),
        plain(gauges={}),
        plain(interlocks=[{}]),
        gauge(value=math.nan),
        gauge(value=[1.0]),
        gauge(low=-math.inf),
        gauge(place="under the table"),
        gauge(at=None),
        gauge(why=1),
        [],
        None,
        b"",
    ],
)
def test_what_is_not_readings_is_refused(wrong):
    with pytest.raises(CodecError, match="not readings"):
        Readings.from_bytes(READINGS + b" " + pack(wrong))


def test_a_key_that_came_later_does_no_harm():
    assert Readings.from_bytes(READINGS + b" " + pack(gauge(colour="red"))) == readings(GAUGE)


@given(data=st.binary() | st.binary().map(lambda more: readings(GAUGE).to_bytes() + more))
def test_hostile_bytes_are_refused_and_nothing_else_happens(data):
    for message in (data, READINGS + b" " + data):
        with contextlib.suppress(CodecError):
            Readings.from_bytes(message)


@given(data=st.data())
def test_readings_with_bytes_that_turned_are_refused_or_are_readings(data):
    message = bytearray(readings(GAUGE, GAUGE).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CodecError):
        got = Readings.from_bytes(bytes(message))
        assert all(math.isfinite(number) for number in (got.time, got.speed))


def test_hostile_messages_are_counted_and_what_follows_them_is_received(proxy, publisher, subscriber):
    with met(subscriber, lambda: publisher.send(readings())):
        pass
    context = zmq.Context()
    stranger = context.socket(zmq.PUB)
    stranger.connect(proxy.inward)
    hostile = [
        b"readings ",
        b"readings \xff",
        b"readings readings \xc1",
        b"readings start \x80",
        b"readings " * 300_000,
    ]
    end = time.monotonic() + 30
    while subscriber.refused < len(hostile):
        for message in hostile:
            stranger.send(message)
        stranger.send_multipart([b"readings readings ", pack([1])])
        subscriber.receive(0.05)
        assert time.monotonic() < end
    context.destroy(linger=0)
    while subscriber.receive(0.1) is not None:
        pass
    publisher.send(readings(GAUGE))
    assert subscriber.receive(30) == readings(GAUGE)
