import pytest

from flowlab.bench import Bench
from flowlab.config import InstrumentConfig, load_instrument


@pytest.mark.parametrize("detector", ["pilatus", "eiger"])
def test_an_analysis_is_told_readings_that_the_parts_have(detector):
    described = load_instrument("simulated-flow").model_dump(by_alias=True)
    described["devices"]["xray"]["parts"]["detector"] = detector
    for name in ("reaction_ml", "total_ml", "xray_total_ml"):  # reckoned, not given
        described["flow_path"].pop(name)
    with Bench(InstrumentConfig.model_validate(described), "simulated-flow") as bench:
        keys = bench.devices["xray"].data_keys()
        readings = {f"{detector}_image"}
        for part in (detector, "incident", "transmitted"):
            device = bench.devices[part]
            readings |= {f"{part}_{attribute}" for attribute in device.read_attrs}
        assert set(keys.values()) <= readings
        assert len(keys) == 6
