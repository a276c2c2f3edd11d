"""Drivers: ophyd devices, one file for each family of instruments, over sans-IO codecs and shared links.

ophyd chooses a client of EPICS for the whole process when it is first imported, by this variable or else by what
is installed, and that client opens sockets and starts threads at once. The drivers here need none of that: those
of EPICS instruments bring a client of their own for each address (:mod:`devices.links.channel_access`). So ophyd
is told to open nothing; whoever runs other ophyd devices in the same process sets the variable before.
"""

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")
