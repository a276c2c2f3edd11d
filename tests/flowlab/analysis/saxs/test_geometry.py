import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowlab.analysis.saxs.geometry import geometry
from flowlab.analysis.saxs.poni import integrator, read_poni, write_poni
from flowlab.errors import BadInputError
from tests.flowlab.analysis.saxs.frames import PONI_TEXT, SMALL, TILTED


def test_a_poni_file_is_read_and_what_is_written_reads_the_same():
    assert read_poni(PONI_TEXT).distance_m == SMALL.distance_m
    assert read_poni(write_poni(TILTED)) == replace(TILTED, settings={**TILTED.settings, "orientation": 3})


def test_pyfai_reads_what_is_written(tmp_path):
    from pyFAI.io.ponifile import PoniFile

    path = tmp_path / "place.poni"
    path.write_text(write_poni(TILTED))
    found = PoniFile(str(path))
    assert (found.dist, found.poni1, found.rot3) == (TILTED.distance_m, TILTED.poni1_m, TILTED.rot3_rad)
    assert found.detector.shape == (220, 200)


def test_a_file_of_the_first_version_is_read():
    text = "Detector: Pilatus300k\nPixelSize1: 0.000172\nPixelSize2: 0.000172\n" + PONI_TEXT.partition("}\n")[2]
    assert geometry(read_poni(text)).shape == (619, 487)


@pytest.mark.parametrize(
    ("line", "by", "words"),
    [
        ("Distance: 0.35", "", "there is no distance"),
        ("Distance: 0.35", "Distance: nan", "distance is nan"),
        ("Distance: 0.35", "Distance: -1", "distance is -1.0"),
        ("Distance: 0.35", "Distance: near", "'near', not a number"),
        ("Wavelength: 1e-10", "Wavelength: 1.0", "wavelength is 1.0"),
        ("Rot1: 0.0", "Rot1: inf", "rot1_rad is inf"),
        ("Rot1: 0.0", "Parallax: True\nRot1: 0", "parallax"),
        ("Rot1: 0.0", "SplineFile: /etc/passwd\nRot1: 0", "distortion file"),
        ("Detector_config: {", "Detector_config: [", "not JSON"),
        ("Detector_config: {", 'Detector_config: {"filename": "x.h5", ', "nothing else"),
        ("Detector_config: {", 'Detector_config: {"pixel1": "x", ', None),
        ('"pixel1": 0.0003', '"pixel1": -1', "pixel1 is -1"),
    ],
)
def test_what_is_no_poni_file_is_refused_in_words(line, by, words):
    assert line in PONI_TEXT
    if words is None:  # the second of two equal keys counts in JSON
        assert read_poni(PONI_TEXT.replace(line, by)).settings["pixel1"] == 3e-4
        return
    with pytest.raises(BadInputError, match=words):
        read_poni(PONI_TEXT.replace(line, by))


@pytest.mark.parametrize("name", ["/etc/passwd", "NexusDetector", "nexus", "nobody"])
def test_a_detector_that_would_be_a_file_is_refused(name):
    with pytest.raises(BadInputError, match="knows no detector"):
        geometry(replace(SMALL, detector=name))


def test_a_detector_without_a_name_needs_its_shape():
    with pytest.raises(BadInputError, match="max_shape"):
        geometry(replace(SMALL, settings={"pixel1": 1e-4, "pixel2": 1e-4}))


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda b: b.decode("latin1")))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(BadInputError):
        read_poni(text)


def _by_trigonometry(poni, rows, columns):
    """q, cos of the incidence and azimuth of each pixel from vectors: detector axes turned into the lab."""
    size = poni.settings["pixel1"]
    r, c = np.indices((rows, columns)) + 0.5
    at = np.stack([r * size - poni.poni1_m, c * size - poni.poni2_m, np.full(r.shape, poni.distance_m)])
    (s1, c1), (s2, c2), (s3, c3) = [(np.sin(x), np.cos(x)) for x in (poni.rot1_rad, poni.rot2_rad, poni.rot3_rad)]
    # Kieffer et al., J. Synchrotron Rad. 27 (2020) 558: R = R3·R2·R1; rot1 and rot2 are left-handed
    turn1 = np.array([[1, 0, 0], [0, c1, s1], [0, -s1, c1]])
    turn2 = np.array([[c2, 0, -s2], [0, 1, 0], [s2, 0, c2]])
    turn3 = np.array([[c3, -s3, 0], [s3, c3, 0], [0, 0, 1]])
    x1, x2, x3 = np.einsum("ij,jrc->irc", turn3 @ turn2 @ turn1, at)
    two_theta = np.arctan2(np.hypot(x1, x2), x3)
    incidence = poni.distance_m / np.sqrt((at**2).sum(axis=0))
    return 4 * np.pi / poni.wavelength_nm * np.sin(two_theta / 2), incidence, np.arctan2(x1, x2), two_theta


@pytest.mark.parametrize("poni", [SMALL, TILTED])
def test_q_solid_angle_and_polarization_are_those_of_plain_trigonometry(poni):
    seen = geometry(poni, polarization=0.9)
    q, incidence, azimuth, two_theta = _by_trigonometry(poni, *seen.shape)
    assert np.allclose(seen.q_per_nm, q, rtol=1e-9, atol=1e-9)
    assert np.allclose(seen.solid_angle, incidence**3, rtol=1e-9)
    cos2 = np.cos(two_theta) ** 2
    factor = 0.5 * (1 + cos2 - 0.9 * np.cos(2 * azimuth) * (1 - cos2))
    assert np.allclose(seen.polarization, factor, atol=1e-6)  # pyFAI gives single precision
    assert seen.unit_solid_angle_sr == pytest.approx((3e-4 / 0.35) ** 2)


def test_known_detectors_bring_their_gaps():
    seen = geometry(replace(SMALL, detector="Pilatus300k", settings={}))
    assert seen.masked[195:212].all()
    assert not seen.masked[:195].any()


@pytest.mark.parametrize("poni", [SMALL, TILTED])
def test_a_beam_stop_masks_a_round_spot_about_the_direct_beam(poni):
    seen = geometry(poni)
    hidden = seen.without_beam_stop(4.0)
    spot = hidden.masked & ~seen.masked
    assert spot.sum() * 0.3**2 == pytest.approx(np.pi * 4.0**2, rel=0.03)
    beam = integrator(poni).getFit2D()
    rows, columns = np.nonzero(spot)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((beam["centerY"], beam["centerX"]), abs=0.3)


def test_what_cannot_be_masked_is_refused():
    seen = geometry(SMALL)
    with pytest.raises(BadInputError, match="positive radius"):
        seen.without_beam_stop(0.0)
    with pytest.raises(BadInputError, match="mask of this detector"):
        seen.without(np.zeros((3, 3), dtype=bool))
    with pytest.raises(BadInputError, match="polarization"):
        geometry(SMALL, polarization=1.5)


def test_the_setting_of_the_text_is_json_only():
    assert read_poni(PONI_TEXT).settings == {**SMALL.settings, "orientation": 3}
    assert json.loads(write_poni(SMALL).split("Detector_config: ")[1].splitlines()[0])["orientation"] == 3
