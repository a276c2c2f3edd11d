"""Taking spectra: dark, reference, and a sample's once it no longer changes."""

import time
from typing import Annotated, Any

import bluesky.plan_stubs as bps
from bluesky.protocols import Reading
from bluesky.utils import MsgGenerator
from event_model import DataKey
from pydantic import Field

from flowlab.analysis.steady import drift
from flowlab.conditions import Conditions
from flowlab.config import Model
from plans.roles import Reactor, Spectrometer
from plans.scan import reading_ml


class SteadyCriterion(Model):
    """When a sample counts as steady."""

    flush_volumes: Annotated[float, Field(ge=1.0, le=20.0)] = Field(
        default=1.5, description="volumes, mixer to optical cell, that are flushed before the first spectrum"
    )
    between_volumes: Annotated[float, Field(ge=0.05, le=5.0)] = Field(
        default=0.3, description="volumes that are flushed between two spectra that are compared"
    )
    drift: Annotated[float, Field(gt=0)] = Field(
        default=0.5, description="largest change between two spectra, in units of the noise of a pixel"
    )
    most_spectra: Annotated[int, Field(ge=2, le=50)] = Field(
        default=8, description="after this many spectra the last one is taken as it is, marked steady = false"
    )


DEFAULT_CRITERION = SteadyCriterion()


class Judgement:
    """What a plan found out about the spectrum it is about to record; read like a device."""

    name = "judgement"
    parent = None
    hints: dict[str, Any] = {"fields": []}  # noqa: RUF012  bluesky asks for an attribute

    def __init__(self) -> None:
        self.steady = False
        self.drift = float("nan")
        self.spectra = 0
        self._time = time.time()

    def note(self, *, steady: bool, drift: float, spectra: int) -> None:
        """Remember a judgement for the next event."""
        self.steady, self.drift, self.spectra, self._time = steady, drift, spectra, time.time()

    def read(self) -> dict[str, Reading[Any]]:
        """The judgement as readings."""
        values = {"steady": self.steady, "drift": self.drift, "spectra": self.spectra}
        return {key: {"value": value, "timestamp": self._time} for key, value in values.items()}

    def describe(self) -> dict[str, DataKey]:
        """Data keys of the judgement."""
        source = "plans.spectra"
        return {
            "steady": {"source": source, "dtype": "boolean", "shape": []},
            "drift": {"source": source, "dtype": "number", "shape": [], "units": "noise of a pixel"},
            "spectra": {"source": source, "dtype": "integer", "shape": []},
        }

    def read_configuration(self) -> dict[str, Reading[Any]]:
        """Nothing to configure."""
        return {}

    def describe_configuration(self) -> dict[str, DataKey]:
        """Nothing to configure."""
        return {}


def take_dark(spectrometer: Spectrometer) -> MsgGenerator[None]:
    """Record a spectrum with the shutter closed, in the stream ``dark``; the shutter is open again afterwards."""
    yield from bps.mv(spectrometer.shutter_open, False)
    yield from bps.trigger_and_read([spectrometer], name="dark")
    yield from bps.mv(spectrometer.shutter_open, True)


def take_reference(spectrometer: Spectrometer) -> MsgGenerator[None]:
    """Record a spectrum of the blank, which the cell holds now, in the stream ``reference``."""
    yield from bps.trigger_and_read([spectrometer], name="reference")


def take_when_steady(
    reactor: Reactor, spectrometer: Spectrometer, judgement: Judgement, criterion: SteadyCriterion
) -> MsgGenerator[None]:
    """Flush, then take spectra until two in a row agree; record the last in ``primary``, those before in ``approach``.

    When the limit is reached first, the last spectrum is recorded all the same, with ``steady`` false.
    """
    yield from bps.abs_set(reactor.flush, criterion.flush_volumes, wait=True)
    previous = None
    for number in range(1, criterion.most_spectra + 1):
        yield from bps.trigger(spectrometer, wait=True)
        counts = yield from bps.rd(spectrometer.counts)
        counts_err = yield from bps.rd(spectrometer.counts_err)
        change = float("nan") if previous is None else drift(*previous, counts, counts_err)
        steady = change < criterion.drift  # false while there is nothing to compare with
        judgement.note(steady=steady, drift=change, spectra=number)
        last = steady or number == criterion.most_spectra
        yield from bps.trigger(reactor, wait=True)
        yield from record([reactor, spectrometer, judgement], "primary" if last else "approach")
        if last:
            return
        previous = counts, counts_err
        yield from bps.abs_set(reactor.flush, criterion.between_volumes, wait=True)


def record(devices: list[Any], stream: str) -> MsgGenerator[None]:
    """One event from what the devices hold now, without triggering them."""
    yield from bps.create(name=stream)
    for device in devices:
        yield from bps.read(device)
    yield from bps.save()


class Spectra:
    """Absorption spectra: a dark and a reference first, then one at each point once it is steady.

    Args:
        reactor: the sample's.
        spectrometer: takes them.
        criterion: when a point is steady.
        blank: conditions at which unreacted mixture is the reference; None when the cell holds a blank already.
    """

    _BLANK_VOLUMES = 3.0

    def __init__(
        self, reactor: Reactor, spectrometer: Spectrometer, criterion: SteadyCriterion, blank: Conditions | None
    ):
        self._reactor = reactor
        self._spectrometer = spectrometer
        self._criterion = criterion
        self._blank = blank
        self._judgement = Judgement()

    def check(self) -> None:
        """Refuse a blank that is not allowed, or a spectrometer without a shutter.

        Raises:
            LimitError: see there; nothing moves.
        """
        if self._blank is not None:
            self._reactor.check_value(self._blank)
        self._spectrometer.shutter_open.check_value(False)

    def analysis(self) -> dict[str, Any]:
        """Data keys of what is recorded."""
        name = self._spectrometer.name
        return {
            "kind": "absorbance",
            "counts": f"{name}_counts",
            "counts_err": f"{name}_counts_err",
            "saturated": f"{name}_saturated_pixels",
            "wavelength_nm": f"{name}_wavelength_nm",
        }

    def point_events(self) -> dict[str, int]:
        """One, once it is steady; those on the way there are as many as it takes."""
        return {"primary": 1}

    def prelude_ml(self) -> list[float]:
        """What the blank takes."""
        if self._blank is None:
            return []
        reactor, blank = self._reactor, self._blank
        flushed_ml = self._BLANK_VOLUMES * reactor.path.total_ml
        return [reactor.heating_ml(None, blank) + flushed_ml + reading_ml(reactor, blank)]

    def prelude(self) -> MsgGenerator[None]:
        """Dark, blank, reference; nothing flows on the way to the first point."""
        yield from take_dark(self._spectrometer)
        for volume in self.prelude_ml():
            yield from bps.abs_set(self._reactor.refill, volume, wait=True)
            yield from bps.abs_set(self._reactor, self._blank, wait=True)
            yield from bps.abs_set(self._reactor.flush, self._BLANK_VOLUMES, wait=True)
        yield from take_reference(self._spectrometer)
        yield from bps.stop(self._reactor)

    def point_ml(self, point: Conditions) -> float:
        """Flushing, when the point takes as many spectra as it may."""
        volumes = self._criterion.flush_volumes + self._criterion.between_volumes * (self._criterion.most_spectra - 1)
        return volumes * self._reactor.path.total_ml

    def at_point(self) -> MsgGenerator[None]:
        """Flush, and take spectra until they agree."""
        # Whoever else measures in this cell shuts the lamp out; a point that is begun anew may find it so.
        yield from bps.mv(self._spectrometer.shutter_open, True)
        yield from take_when_steady(self._reactor, self._spectrometer, self._judgement, self._criterion)

    def finish(self) -> MsgGenerator[None]:
        """A spectrometer needs nothing."""
        yield from bps.null()
