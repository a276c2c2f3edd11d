"""Codecs without I/O: commands to bytes, bytes to replies. They never wait, open or retry."""
