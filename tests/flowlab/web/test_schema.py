"""The HTTP server against all that its own schema allows, and forbids, as schemathesis has it (make check-http)."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.flowlab.watch.hub import Hub
from tests.flowlab.web.viewing import Screen, looked_at, looking
from tests.joint_runs import joint_run
from tests.saxs_runs import RADII
from tests.support import PANELS

SCHEMATHESIS = os.environ.get("FLOWLAB_SCHEMATHESIS")

#: A stream without an end is nothing to wait for.
ENDLESS = "/api/v1/events"
#: What a schema allows may still be refused by the daemon: which plans there are, it alone knows.
NOT_THE_SCHEMAS = "positive_data_acceptance"


@pytest.mark.skipif(SCHEMATHESIS is None, reason="schemathesis has an environment of its own: make check-http")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("who", ["admin", "viewer"])
def test_nothing_that_can_be_asked_breaks_it_or_is_answered_otherwise_than_it_says(tmp_path: Path, who: str):
    with contextlib.closing(Hub(tmp_path / "runs")) as hub, looked_at(tmp_path, hub) as web:
        hub.record(joint_run(hub.store.root, PANELS, {(310.0, 270.0): RADII[260.0]}))
        with looking(web) as viewer:
            Screen(viewer).until(lambda sections: bool(sections.get("saxs")))
        web.tell_daemon("environment_open")
        web.tell_daemon("queue_item_add", item={"name": "scan", "kwargs": {}}, user="", user_group="")
        command = [str(SCHEMATHESIS), "run", f"{web.url}/api/v1/openapi.json", "--exclude-path", ENDLESS]
        command += ["--exclude-checks", NOT_THE_SCHEMAS, "--header", f"Authorization: Bearer {web.tokens[who]}"]
        command += ["--seed", "1", "--max-examples", "20", "--no-color", "--warnings", "off"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in web.log
