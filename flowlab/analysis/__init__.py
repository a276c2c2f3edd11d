"""Spectra to verdicts. Pure: arrays in, results out; no I/O, no bluesky, no clock."""
