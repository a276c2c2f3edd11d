"""Files that other programs read: NeXus/HDF5, made from documents alone."""

from flowlab.storage.nexus import NexusFile

__all__ = ["NexusFile"]
