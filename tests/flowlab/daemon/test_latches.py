"""What tripped stays known until a person acknowledges it, and what is not known is said."""

import pytest

from flowlab.daemon.latches import LatchedError, Latches
from flowlab.errors import BadInputError, FlowlabError


def test_what_is_latched_outlives_the_process_and_keeps_its_first_reason(tmp_path):
    latches = Latches(tmp_path / "runs", "lab")
    latches.check()
    latches.latch("flood", "the cell leaks")
    latches.latch("flood", "it still does")
    again = Latches(tmp_path / "runs", "lab")
    assert again.all()["flood"]["reason"] == "the cell leaks"
    with pytest.raises(LatchedError, match=r"flood tripped at .*: the cell leaks; .* flowlab interlocks --ack flood"):
        again.check()
    assert Latches(tmp_path / "runs", "another lab").all() == {}


def test_it_is_gone_once_acknowledged_and_nothing_else_is(tmp_path):
    latches = Latches(tmp_path, "lab")
    for name in ("flood", "fire"):
        latches.latch(name, "so it is")
    with pytest.raises(BadInputError, match="'smoke' is not latched; latched are: flood, fire"):
        latches.acknowledge("smoke")
    latches.acknowledge("flood")
    assert list(latches.all()) == ["fire"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"flood": 1}', '{"flood": {"time": "x", "reason": "y"}}'])
def test_a_damaged_file_is_no_reason_to_go_on(tmp_path, text):
    latches = Latches(tmp_path, "lab")
    latches.path.write_text(text)
    with pytest.raises(FlowlabError, match="tripped is not known"):
        latches.check()
