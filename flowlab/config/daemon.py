"""How long the daemon waits for what, before it takes the instrument out of a plan's hands."""

from typing import Annotated

from pydantic import Field

from flowlab.config.model import Model

Seconds = Annotated[float, Field(gt=0, description="real seconds")]


class DaemonSettings(Model):
    """Limits in time, all in real seconds.

    Attributes:
        pause_s: a pause that is longer ends in an abort: a paused reactor is hot and flows.
        stalled_s: the RunEngine may do nothing at all for this long, as it does while a device does not return.
        wait_s: a plan may wait for one thing for this long.
        finish_s: an aborted plan has this long for its clean-up and the safe state, then its process is killed.
        safe_s: the safe state may take this long from a process of its own.
        keep_s: analyzer, writer and the process that stands by for the safe state are kept this long when nothing runs.
    """

    pause_s: Seconds = 900.0
    stalled_s: Seconds = 15.0
    wait_s: Seconds = 7200.0
    finish_s: Seconds = 30.0
    safe_s: Seconds = 60.0
    keep_s: Seconds = 60.0
