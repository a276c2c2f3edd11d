"""An interlock that tripped, acknowledged by way of the daemon: plans run again, and it is watched again."""

import json

import httpx
import pytest

from flowlab.daemon.state_folder import StateFolder
from flowlab.daemon.tokens import Role, Tokens
from flowlab.errors import BadInputError, FlowlabError
from tests.daemons import daemon
from tests.flowlab.daemon.test_worker import gauged


def test_it_keeps_plans_from_running_until_its_cause_is_gone_and_somebody_says_so(tmp_path):
    path, shown = gauged(tmp_path)
    with daemon(tmp_path / "state", "-c", str(path)) as running:
        folder = StateFolder(running.state)
        running.until(lambda facts: facts["environment"] == "open" and facts["latched"] == [])
        listed = ("interlocks", "-c", path, "--data", folder.runs)
        running.add("ticks")
        with pytest.raises(BadInputError, match="^'high' is not latched; latched are: none$"):
            running.ask("flowlab_interlock_ack", {"name": "high"})

        shown.write_text("9.0")
        facts = running.until(
            lambda facts: facts["latched"] and facts["state"] == "idle" and facts["addresses"]["http"]
        )
        (latched,) = facts["latched"]
        assert (latched["name"], latched["reason"]) == ("high", "gauge.pressure_bar is 9, above 5")
        assert running.ask("flowlab_interlocks")["latched"] == {"high": {k: latched[k] for k in ("time", "reason")}}
        assert "TRIPPED at" in running.flowlab(*listed).stdout
        told = running.flowlab("status").stdout
        assert f"interlock high is latched: {latched['reason']}; flowlab interlocks --ack high -c {path} --data" in told
        with pytest.raises(FlowlabError, match="interlock high tripped at"):
            running.ask("queue_start")

        # While its cause lasts, it trips again as soon as it is looked at.
        token = Tokens(folder.tokens).new("anna", Role.OPERATOR, None)
        acknowledge = f"{facts['addresses']['http']}/api/v1/interlocks/high/acknowledge"
        shown.write_text("8.0")
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            again = client.post(acknowledge)
            assert again.status_code == 409
            assert "was acknowledged, and tripped again at once: gauge.pressure_bar is 8," in again.json()["detail"]
            assert [one["reason"] for one in running.status()["latched"]] == ["gauge.pressure_bar is 8, above 5"]
            shown.write_text("1.0")
            done = client.post(acknowledge)
            assert (done.status_code, done.json()) == (200, {"latched": {"high": None}})
        facts = running.status()
        assert (facts["latched"], facts["environment"], facts["why"]) == ([], "open", None)

        # It is watched, and not only from the next plan on; the command line knows nothing else.
        shown.write_text("7.0")
        running.until(lambda facts: facts["latched"])
        shown.write_text("1.0")
        assert "TRIPPED" not in running.flowlab(*listed, "--ack", "high").stdout
        running.until(lambda facts: facts["latched"] == [])
        running.ask("queue_start")
        running.until(lambda facts: facts["state"] == "idle" and facts["queue"] == 0)
        assert running.ask("history_get")["items"][-1]["result"]["exit_status"] == "completed"

        (record,) = folder.runs.glob("interlocks-*/acknowledged.jsonl")
        seen = [json.loads(line) for line in record.read_text().splitlines()]
        assert [one["reason"].split(",")[0] for one in seen] == [f"gauge.pressure_bar is {bar}" for bar in (9, 8, 7)]
        assert [one["by"] for one in seen[:2]] == ["anna", "anna"]
