"""What a spectrometer of Ocean can be told, as components of its device."""

from typing import TYPE_CHECKING, Any, cast

from ophyd import Signal

from devices.base import check_limits

if TYPE_CHECKING:
    from devices.ocean.spectrometer import OceanSpectrometer


class Told(Signal):
    """Something that the spectrometer is told: it is set, never put."""

    def put(self, value: Any, *, force: bool = False, **kwargs: Any) -> None:
        """Not the way, but for the driver itself, which forces it."""
        if not force:
            raise TypeError(f"{self.name} is set, not put: setting it tells the spectrometer")
        super().put(value, force=True, **kwargs)

    @property
    def spectrometer(self) -> "OceanSpectrometer":
        """Whose it is."""
        return cast("OceanSpectrometer", self.parent)


class LightState(Told):
    """Whether the light falls on the sample: set it to True to switch the lamp on, or open its shutter."""

    def check_value(self, value: bool, **_: Any) -> None:
        """Refuse to switch what cannot be switched.

        Raises:
            LimitError: see there.
        """
        self.spectrometer.check_shutter()

    def set(self, value: bool, **_: Any) -> Any:
        """Switch it; done when the spectrometer has acknowledged and reads so."""
        self.spectrometer.set_shutter(is_open=bool(value))
        return self.spectrometer.done()


class IntegrationTime(Told):
    """Exposure of one scan, ms."""

    def check_value(self, value: float, **_: Any) -> None:
        """Refuse what the spectrometer cannot do.

        Raises:
            LimitError: see there.
        """
        self.spectrometer.check_integration_ms(value)

    def set(self, value: float, **_: Any) -> Any:
        """Set it; done when it reads so and the scans that were under way are thrown away."""
        self.spectrometer.check_integration_ms(value)
        return self.spectrometer.start(lambda: self.spectrometer.set_integration_ms(value), "integration time")


class Scans(Told):
    """Scans that are averaged into one spectrum, by this driver."""

    def check_value(self, value: int, **_: Any) -> None:
        """Refuse less than two, whose scatter gives no uncertainty.

        Raises:
            LimitError: see there.
        """
        check_limits(self.spectrometer.name, "number of scans", value, (2, 1000), "scans")

    def set(self, value: int, **_: Any) -> Any:
        """From the next spectrum on."""
        self.check_value(value)
        self.put(int(value), force=True)
        return self.spectrometer.done()
