"""``flowlab keys`` and ``flowlab tokens`` as their user meets them."""

import json
import subprocess
import sys

from flowlab.daemon.keys import ClientKeys, Keys
from flowlab.daemon.tokens import Role, Tokens


def flowlab(*arguments: object, state) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowlab", *map(str, arguments), "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_key_is_made_told_once_listed_and_removed(tmp_path):
    state, out = tmp_path / "state", tmp_path / "anna.key_secret"
    assert flowlab("keys", "new", "anna", "--out", out, state=state).stdout == f"{out}\n"
    assert out.stat().st_mode & 0o777 == 0o600
    made = ClientKeys.load(out)
    assert Keys(state / "keys").name_of(made.public) == "anna"
    listed = json.loads(flowlab("keys", "list", "--json", state=state).stdout)
    assert listed == {"server": made.server.decode(), "clients": {"anna": made.public.decode()}}
    again = flowlab("keys", "new", "ben", "--out", out, state=state)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert flowlab("keys", "remove", "anna", state=state).returncode == 0
    assert Keys(state / "keys").clients() == {}


def test_a_token_is_made_told_once_listed_and_removed(tmp_path):
    made = flowlab("tokens", "new", "anna", "--role", "operator", state=tmp_path)
    token = made.stdout.strip()
    assert Tokens(tmp_path / "tokens").judge(token).role == Role.OPERATOR
    listed = flowlab("tokens", "list", state=tmp_path).stdout
    assert listed.startswith("anna                 operator  until ")
    assert token not in listed
    assert (
        json.loads(flowlab("tokens", "list", "--json", state=tmp_path).stdout)["tokens"]["anna"]["role"] == "operator"
    )
    assert flowlab("tokens", "remove", "anna", state=tmp_path).returncode == 0
    gone = flowlab("tokens", "remove", "anna", state=tmp_path)
    assert (gone.returncode, gone.stderr) == (2, "flowlab: there is no token of anna: there are none\n")
