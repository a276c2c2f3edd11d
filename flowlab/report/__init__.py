"""A run as a page: figures, verdict in words, provenance."""
