"""flowlab: instrument control and in situ acquisition for continuous-flow nanocrystal synthesis.

Plans move an instrument, the instrument emits Bluesky documents, everything else reads documents.
This package is the engine. It knows documents and protocols, never a concrete instrument: devices,
plans and simulators are named in a configuration file and loaded from there.
"""

__version__ = "0.1.0"
