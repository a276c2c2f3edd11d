"""The summary status word of Eurotherm's controllers: the same bits in the series 2400 and 3200.

Source: HA026230 issue 2.0, page 5-21 (series 2400: ``SO``, Modbus 75); HA028651, §15.5 (series 3200: register 75).
"""

from collections.abc import Collection

MANUAL = 4
SENSOR_BREAK = 5
LOOP_BREAK = 6
OVER_RANGE = 10
#: Only the series 3200: the remote set point is selected, but has not come in time.
REMOTE_FAILED = 14

FAULTS = {
    MANUAL: "is in manual mode, its output does not follow the temperature; select automatic on its panel",
    SENSOR_BREAK: "the sensor is broken",
    LOOP_BREAK: "the loop is broken: full power does not heat",
    OVER_RANGE: "the temperature is over range",
}


def fault(status: int, bits: Collection[int] = tuple(FAULTS)) -> str | None:
    """The first of the faults that a status word tells, in words; None when it tells none of them."""
    return next((FAULTS[bit] for bit in bits if status >> bit & 1), None)
