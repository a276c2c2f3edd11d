"""Who has the state and who has the instrument; and where sockets are."""

import os

import pytest

from flowlab.config import load_instrument
from flowlab.daemon.state_folder import StateFolder, instrument_held
from flowlab.errors import BadInputError, FlowlabError
from tests.instruments import UV_VIS


def test_a_state_folder_has_one_holder_and_the_next_is_told_who_that_is(tmp_path):
    with (
        StateFolder(tmp_path).held("my-lab"),
        pytest.raises(BadInputError, match=f"is held by another flowlab for my-lab, process {os.getpid()}; end that"),
        StateFolder(tmp_path).held("my-lab"),
    ):
        pass
    with StateFolder(tmp_path).held("my-lab"):
        pass


def test_an_instrument_is_told_by_its_addresses_whatever_it_is_called(tmp_path):
    config = load_instrument(UV_VIS)
    with instrument_held(config):
        again = config.model_copy(update={"name": "another-name"})
        with (
            pytest.raises(BadInputError, match=f"another-name is held by another flowlab, process {os.getpid()}"),
            instrument_held(again),
        ):
            pass
        pump = config.devices["cadmium_pump"].model_copy(update={"address": "socket://127.0.0.1:1"})
        with instrument_held(config.model_copy(update={"devices": config.devices | {"cadmium_pump": pump}})):
            pass


@pytest.mark.parametrize(("xdg", "expected"), [("state", "state/flowlab"), ("", "home/.local/state/flowlab")])
def test_without_a_wish_state_is_where_xdg_has_it(tmp_path, monkeypatch, xdg, expected):
    monkeypatch.delenv("FLOWLAB_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / xdg) if xdg else "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert StateFolder().path == tmp_path / expected
    monkeypatch.setenv("FLOWLAB_STATE", str(tmp_path / "mine"))
    assert StateFolder().path == tmp_path / "mine"


def test_a_folder_of_sockets_that_others_could_look_into_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = StateFolder(tmp_path / "state").sockets()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(FlowlabError, match="is not a folder of yours alone"):
        StateFolder(tmp_path / "state").sockets()


@pytest.mark.parametrize("note", ["", "[1]", "{", "\udcff"])
def test_a_note_that_is_none_is_no_note(tmp_path, note):
    (tmp_path / "daemon.json").write_text(note, encoding="utf-8", errors="surrogateescape")
    assert StateFolder(tmp_path).facts() == {}
