"""Tokens: known, not yet expired, and kept nowhere."""

import itertools
import json
import logging
import time

import pytest

from flowlab.daemon.tokens import RefusedTokenError, Role, Tokens
from flowlab.errors import BadInputError


@pytest.fixture
def tokens(tmp_path):
    return Tokens(tmp_path / "state" / "tokens")


def test_a_token_is_known_and_is_kept_nowhere(tokens, tmp_path):
    token = tokens.new("anna", Role.OPERATOR, 1.0)
    kept = tokens.judge(token)
    assert (kept.name, kept.role) == ("anna", Role.OPERATOR)
    assert kept.expires == pytest.approx(time.time() + 86400, abs=60)
    (file,) = (tmp_path / "state" / "tokens").iterdir()
    assert token.removeprefix("flowlab_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_no_two_tokens_are_the_same_and_each_has_256_bits(tokens):
    made = {tokens.new(f"t{i}", Role.VIEWER, None) for i in range(20)}
    assert len(made) == 20
    assert {len(token) for token in made} == {len("flowlab_") + 43}


def test_a_token_of_nobody_is_refused(tokens):
    token = tokens.new("anna", Role.ADMIN, None)
    for wrong in ("", token[:-1], token + "x", token.swapcase(), "µ", "\udcff"):
        with pytest.raises(RefusedTokenError, match="not known here"):
            tokens.judge(wrong)


def test_an_expired_token_is_refused_by_name(tokens, tmp_path):
    token = tokens.new("anna", Role.ADMIN, 1e-9)
    with pytest.raises(RefusedTokenError, match="token of anna has expired"):
        tokens.judge(token)
    assert [one.name for one in tokens.all()] == ["anna"]


def test_a_removed_token_is_worth_nothing(tokens):
    token = tokens.new("anna", Role.ADMIN, None)
    tokens.remove("anna")
    with pytest.raises(RefusedTokenError):
        tokens.judge(token)
    with pytest.raises(BadInputError, match="there is no token of anna: there are none"):
        tokens.remove("anna")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\0", ".a", "a.b", "-a", "a" * 64, "µ", "a\n"])
def test_a_name_is_never_a_way_to_another_file(tokens, name, tmp_path):
    with pytest.raises(BadInputError, match="is no name"):
        tokens.new(name, Role.VIEWER, None)
    with pytest.raises(BadInputError, match="is no name"):
        tokens.remove(name)
    assert not list(tmp_path.iterdir())


def test_a_name_has_one_token(tokens):
    first = tokens.new("anna", Role.VIEWER, None)
    with pytest.raises(BadInputError, match="there is a token of anna already"):
        tokens.new("anna", Role.ADMIN, None)
    assert tokens.judge(first).role == Role.VIEWER


def test_a_file_that_holds_no_token_admits_nobody_and_hinders_nobody(tokens, tmp_path, caplog):
    token = tokens.new("anna", Role.VIEWER, None)
    folder = tmp_path / "state" / "tokens"
    (folder / "bad.json").write_text("{")
    (folder / "list.json").write_text("[]")
    good = json.loads((folder / "anna.json").read_text())
    (folder / "root.json").write_text(json.dumps({**good, "role": "root"}))
    with caplog.at_level(logging.WARNING):
        assert tokens.judge(token).name == "anna"
    assert "bad.json: holds no token" in caplog.text


@pytest.mark.parametrize("days", [0.0, -1.0, float("nan"), float("inf")])
def test_a_token_that_would_never_hold_is_not_made(tokens, days):
    with pytest.raises(BadInputError, match="a token cannot hold for"):
        tokens.new("anna", Role.VIEWER, days)


def test_roles_include_those_before_them():
    order = [Role.VIEWER, Role.OPERATOR, Role.ADMIN]
    for (i, one), (j, other) in itertools.product(enumerate(order), repeat=2):
        assert one.includes(other) == (i >= j)
