"""Drivers: ophyd devices, one file for each family of instruments, over sans-IO codecs and shared links."""
