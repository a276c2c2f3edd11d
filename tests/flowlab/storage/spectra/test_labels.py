import pytest

from flowlab.storage.spectra.labels import coordinates_of


@pytest.mark.parametrize(
    ("labels", "values", "axis"),
    [
        (["20 s", "40 s"], [20.0, 40.0], "time_s"),
        (["280 °C", "290°C"], [280.0, 290.0], "temperature_c"),
        (["t = 5 min", "t = 10 min"], [5.0, 10.0], "time_min"),
        (["30 s", "2 min"], [30.0, 120.0], "time_s"),
        (["14", "4,5"], [14.0, 4.5], "coordinate"),
        (["CdSe_280C_014s", "CdSe_280C_200s"], [14.0, 200.0], "time_s"),
        (["CdSe_280C_14s", "CdSe_290C_14s"], [280.0, 290.0], "temperature_c"),
        (["run 7 aliquot 1", "run 7 aliquot 2"], [1.0, 2.0], "coordinate"),
        (["CdSe-437_a", "CdSe-437_b"], [0.0, 1.0], "spectrum_number"),
        (["3 samples", "4 samples"], [3.0, 4.0], "coordinate"),
        (["20 s", "later"], [0.0, 1.0], "spectrum_number"),
        (["10C_20s", "20C_30s"], [0.0, 1.0], "spectrum_number"),
        (["14 s"], [14.0], "time_s"),
        (["-5 °C", "5 °C"], [-5.0, 5.0], "temperature_c"),
    ],
)
def test_coordinates_are_what_the_labels_tell_alone(labels, values, axis):
    found = coordinates_of(labels)
    assert (found.values, found.axis) == (values, axis)
    assert (found.why is not None) == (axis == "spectrum_number" and len(labels) > 1)
