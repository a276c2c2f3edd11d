"""The plant (physics) and, apart from it, one wire server for each instrument.

Nothing here is shared with the drivers: a misread manual must not hide in both.
"""
