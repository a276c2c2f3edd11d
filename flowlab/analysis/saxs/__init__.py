"""Frames to I(q), and I(q) to sizes and mesophases. Pure: arrays in, results out."""
