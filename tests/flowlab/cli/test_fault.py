"""Faults from the command line, at simulators in a process of their own."""

import json
import socket

from tests.flowlab.cli.test_cli import complaint, flowlab
from tests.instruments import UV_VIS
from tests.simulators.benches import served


def test_a_fault_is_switched_on_and_cleared_and_what_can_go_wrong_is_listed():
    with served(UV_VIS, "--any-port") as lab:

        def fault(*arguments: str):
            return flowlab("fault", *arguments, "--control", lab.control)

        listed = fault()
        assert (
            "cadmium_pump: stall, clog [severity=30], leak [share=0.3], unplug, silence, garble [probability=1]"
            in listed.stdout
        )
        assert json.loads(fault("--json").stdout)["growth_heater"]["delay"] == {"probability": 1.0, "delay_s": 1.5}
        assert fault("stall", "cadmium_pump").stdout == "cadmium_pump: stall\n"
        assert fault("cut", "cadmium_pump", "probability=0.1").returncode == 0
        assert lab.ask(truth=True)["instruments"]["cadmium_pump"]["faults"] == ["cut", "stall"]
        refused = fault("boil", "cadmium_pump")
        assert refused.returncode == 2
        assert "cadmium_pump cannot have the fault 'boil'; it can have stall" in complaint(refused)
        assert fault("none", "cadmium_pump").returncode == 0
        assert lab.ask(truth=True)["instruments"]["cadmium_pump"]["faults"] == []


def test_where_no_simulators_answer_it_says_how_to_start_them():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    result = flowlab("fault", "--control", f"127.0.0.1:{port}")
    assert result.returncode == 1
    assert f"no simulators answer at 127.0.0.1:{port}" in complaint(result)
    assert "flowlab simulate" in complaint(result)
