"""Transports: how bytes get to an instrument and back, with time limits, bounded retries and typed errors."""

from devices.links.line import Line, LineSettings, shared_line

__all__ = ["Line", "LineSettings", "shared_line"]
