"""What can go wrong with an instrument; every message names the device, what was asked and what came back."""

from flowlab.errors import BadInputError, FlowlabError


class DeviceError(FlowlabError):
    """An instrument, or the wire to it, did not do what was asked."""


class LinkError(DeviceError):
    """The wire cannot be opened, or is lost."""


class ReplyTimeoutError(DeviceError):
    """No whole reply came within the time limit."""


class SilentError(ReplyTimeoutError):
    """Not even the beginning of a reply came within the time limit."""


class ReplyError(DeviceError):
    """What came back is not a reply of this instrument: garbled, cut, or an answer to something else."""


class RefusedError(DeviceError):
    """The instrument understood and refused."""


class InstrumentFaultError(DeviceError):
    """The instrument reports a fault of its own: a stall, a broken sensor."""


class NotReachedError(DeviceError):
    """A set point was accepted but not reached, or the read-back is not what was set."""


class LimitError(BadInputError):
    """What was asked is outside the limits; nothing was sent and nothing moved."""
