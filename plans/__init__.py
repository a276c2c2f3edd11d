"""Bluesky plans: short generators; the devices they move come in as arguments."""
