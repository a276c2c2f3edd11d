"""The live analyzer: documents of a run in, documents of its analysis out."""

from flowlab.live.analyzer import Analyzer
from flowlab.live.knowledge import knowledge_of

__all__ = ["Analyzer", "knowledge_of"]
