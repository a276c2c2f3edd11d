"""The X-ray side as one device: detector, beam shutter, intensities before and behind the sample, sample stage."""

from collections.abc import Iterator
from typing import Any, cast

from ophyd import Component as Cpt
from ophyd import Kind, Signal
from ophyd.status import Status
from pydantic import Field

from devices.base import Instrument, Quantity, all_done
from devices.errors import DeviceError, LimitError
from devices.foresight import ExposureForesight
from flowlab.bench import Bench
from flowlab.config import DeviceEntry, Model
from flowlab.errors import FlowlabError


class Place(Model):
    """Where the stage stands for a sample."""

    x_mm: float
    z_mm: float


class EndstationSettings(Model):
    """What can be brought into the beam."""

    samples: dict[str, Place] = Field(
        default_factory=dict, description="places of the stage, by what stands there: capillary, silver_behenate"
    )
    longest_exposure_s: float = Field(default=600.0, gt=0, description="longest exposure that is accepted")


class Exposure(Signal):
    """Exposure of one frame: set it to seconds."""

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse an exposure that is not allowed.

        Raises:
            LimitError: see there.
        """
        cast("XrayEndstation", self.parent).check_exposure_s(value)

    def set(self, value: float, **_: Any) -> Status:
        """Have the detector set; done when it has it."""
        return cast("XrayEndstation", self.parent).set_exposure_s(value)


class Sample(Quantity):
    """What is in the beam: set it to the name of a place."""

    def check_value(self, value: str, **_: Any) -> None:
        """Refuse a sample that has no place.

        Raises:
            LimitError: see there.
        """
        cast("XrayEndstation", self.parent).place_of(value)

    def set(self, value: str, **_: Any) -> Status:
        """Move there; done when the stage stands."""
        return cast("XrayEndstation", self.parent).bring(value)


class BeamOpen(Signal):
    """The beam shutter: set it to True to open it."""

    def set(self, value: bool, **_: Any) -> Status:
        """Move the shutter; done when it is there."""
        return cast("XrayEndstation", self.parent).shutter.set(bool(value))

    def get(self, **kwargs: Any) -> Any:
        """What the shutter says."""
        return cast("XrayEndstation", self.parent).shutter.open.get()


class XrayEndstation(Instrument):
    """Takes frames together with the intensities at which they were taken.

    Parts: ``detector``, ``shutter``; and, where they are there, ``incident`` and ``transmitted``, which measure the
    beam before and behind the sample, and the sample's ``stage``. Triggering it triggers detector and intensities at
    once; its reading is theirs. A plan stages it once for each stream.
    """

    Settings = EndstationSettings

    exposure_s = Cpt(Exposure, value=0.0, kind=Kind.omitted)
    sample = Cpt(Sample, ask="ask_sample", value="", kind=Kind.normal)
    shutter_open = Cpt(BeamOpen, value=False, kind=Kind.omitted)

    def __init__(self, name: str, entry: DeviceEntry, settings: EndstationSettings, bench: Bench):
        self.settings = settings
        needed, possible = {"detector", "shutter"}, {"incident", "transmitted", "stage"}
        if not needed <= set(entry.parts) <= needed | possible or any(
            isinstance(p, list) for p in entry.parts.values()
        ):
            raise ValueError(
                f"parts are {', '.join(entry.parts) or 'none'}; an X-ray endstation needs {', '.join(sorted(needed))}, "
                f"and may have {', '.join(sorted(possible))}, one device each"
            )
        parts = {role: bench.devices[str(part)] for role, part in entry.parts.items()}
        self.detector: Any = parts["detector"]
        self.shutter: Any = parts["shutter"]
        self._intensities = {role: parts[role] for role in ("incident", "transmitted") if role in parts}
        self._sample_stage: Any = parts.get("stage")
        if settings.samples and self._sample_stage is None:
            raise ValueError("settings.samples gives places, but parts has no stage")
        self._sample = ""
        super().__init__(name, entry, bench)

    def foresight(self) -> ExposureForesight:
        """An account of what it would do."""
        return ExposureForesight("frame", 0.0, {"sample": "bring into the beam:"})

    def ask_sample(self) -> str:
        """What was brought into the beam; empty before anything was, and on the way."""
        return self._sample

    # What it is told.

    def check_exposure_s(self, value: float) -> None:
        """Refuse an exposure that is longer than configured, or none.

        Raises:
            LimitError: see there.
        """
        if not 0 < value <= self.settings.longest_exposure_s:
            raise LimitError(
                f"{self.name}: an exposure of {value:g} s is outside 0…{self.settings.longest_exposure_s:g} s"
            )

    def set_exposure_s(self, value: float) -> Status:
        """Set the detector's exposure.

        Raises:
            LimitError: not allowed here, or not by the detector.
        """
        self.check_exposure_s(value)
        return self.detector.exposure_s.set(value)

    def place_of(self, sample: str) -> Place:
        """Where a sample stands.

        Raises:
            LimitError: nowhere.
        """
        if sample not in self.settings.samples:
            known = ", ".join(self.settings.samples) or "none"
            raise LimitError(f"{self.name}: there is no sample {sample!r} on the stage; there are {known}")
        return self.settings.samples[sample]

    def bring(self, sample: str) -> Status:
        """Move a sample into the beam.

        Raises:
            LimitError: it has no place, or the stage may not go there.
        """
        place = self.place_of(sample)
        stage = self._sample_stage
        stage.x.check_value(place.x_mm)
        stage.z.check_value(place.z_mm)
        self._sample = ""  # it is in between until it is there
        moves = [stage.x.set(place.x_mm), stage.z.set(place.z_mm)]

        def there() -> bool:
            if not all_done(moves):
                return False
            self._sample = sample
            return True

        return self.watch(there, what=f"{sample} in the beam", every_s=0.1, limit_s=1e9)

    def trigger(self) -> Status:  # pyright: ignore[reportIncompatibleMethodOverride]  bluesky asks for no more
        """Take one exposure and the intensities with it; done when all can be read."""
        taken = [part.trigger() for part in (self.detector, *self._intensities.values())]
        return self.watch(lambda: all_done(taken), what="an exposure", every_s=0.02, limit_s=1e9)

    def make_safe(self) -> None:
        """Close the beam shutter, then have the detector give up; goes on when one fails.

        Raises:
            ExceptionGroup: of what went wrong.
        """
        self.give_up_watching()
        errors: list[Exception] = []
        for part in (self.shutter, self.detector):
            try:
                part.make_safe()
            except Exception as error:  # noqa: BLE001  whatever it is, what is behind it is made safe too
                errors.append(error if isinstance(error, FlowlabError) else DeviceError(f"{part.name}: {error!r}"))
        if errors:
            raise ExceptionGroup(f"{self.name}: not everything could be made safe", errors)

    def connect(self) -> None:
        """Nothing of its own to open: its parts are connected."""

    def data_keys(self) -> dict[str, str | None]:
        """Under which keys events have what an analysis needs; None for what is not measured."""
        names = {role: part.name for role, part in self._intensities.items()}
        # What a detector tells of each exposure, where it does; otherwise what it was set to.
        exposed = "exposed_s" if hasattr(self.detector, "exposed_s") else "exposure_s"
        keys: dict[str, str | None] = {
            "frames": f"{self.detector.name}_image",
            "exposed_s": f"{self.detector.name}_{exposed}",
        }
        for role in ("incident", "transmitted"):
            for quantity in ("a", "err_a"):
                keys[f"{role}_{quantity}"] = f"{names[role]}_current_{quantity}" if role in names else None
        return keys

    # Its readings are those of its parts.

    def stage(self) -> list[object]:
        """Begin a file of frames."""
        return [*super().stage(), *self.detector.stage()]

    def unstage(self) -> list[object]:
        """Close the file of frames."""
        return [*self.detector.unstage(), *super().unstage()]

    def _gather(self, of: str, own: Any) -> Any:
        for part in (self.detector, *self._intensities.values()):
            own.update(getattr(part, of)())
        return own

    def read(self) -> Any:
        """Readings of detector and intensities; the frames themselves are referred to by stream documents."""
        return self._gather("read", super().read())

    def describe(self) -> Any:
        """Data keys of detector and intensities."""
        return self._gather("describe", super().describe())

    def read_configuration(self) -> Any:
        """Configuration of detector and intensities."""
        return self._gather("read_configuration", super().read_configuration())

    def describe_configuration(self) -> Any:
        """Data keys of that."""
        return self._gather("describe_configuration", super().describe_configuration())

    def collect_asset_docs(self, index: int | None = None) -> Iterator[Any]:
        """The detector's references to its frames."""
        yield from self.detector.collect_asset_docs(index)
