"""Wire servers: the instruments as seen from the other end of their cable.

Each instrument is a class of its own that takes bytes in and gives replies out, without socket or clock
(:mod:`simulators.wire.instrument`); it acts on its part of the plant. :mod:`simulators.wire.line` puts
instruments on a TCP address, :mod:`simulators.wire.bench` puts plant and lines together, and
:mod:`simulators.wire.control` tells the truth and injects faults. They are written from the makers'
manuals and share nothing with the drivers.
"""
