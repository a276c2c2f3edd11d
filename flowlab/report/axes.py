"""What the axes of a scan are called."""

_AXES = {
    "nucleation_setpoint_c": ("nucleation temperature", "°C", "T_nuc"),
    "growth_setpoint_c": ("growth temperature", "°C", "T_growth"),
    "residence_time_s": ("residence time", "s", "t"),
    # Of series from files; their coordinates are known by their units only.
    "time_s": ("time", "s", "t"),
    "time_min": ("time", "min", "t"),
    "time_h": ("time", "h", "t"),
    "temperature_c": ("temperature", "°C", "T"),
    "spectrum_number": ("spectrum", "", "no."),
}


def axis_name(data_key: str) -> tuple[str, str, str]:
    """Name, unit and symbol of a scan's axis from its data key."""
    for ending, names in _AXES.items():
        if data_key.endswith(ending):
            return names
    return data_key, "", data_key
