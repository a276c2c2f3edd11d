"""Figures side by side with what users have elsewhere, as ratios from one run. Not tests: nothing here passes or fails.

``make bench``, or ``python -m benchmarks [NAME …]`` for some of them: analysis, codec, daemon, demo, eiger,
engine, latency, saxs, startup. ``python -m benchmarks.chaos`` is another matter: it fails when anything is lost.
"""
