"""What the documentation tells people to do can be done: links lead somewhere, commands and parameters are taken."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer.testing

from flowlab.cli import app
from flowlab.config import load_instrument
from flowlab.daemon.plans import Plan

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_COMMAND = re.compile(r"^flowlab (.+?)(?:\s+#.*)?$", re.MULTILINE)


def commands(page: Path) -> list[list[str]]:
    """Those in code blocks."""
    blocks = re.findall(r"```\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    told = [line for block in blocks for line in _COMMAND.findall(block)]
    return [shlex.split(line) for line in told if not line.startswith(("demo --playback", "interlock "))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "docs/first-spectrum.md", "docs/operating.md"])
def test_commands_and_their_options_exist(page):
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    known = known | {f"queue {name}": command for name, command in known["queue"].commands.items()}
    told = commands(ROOT / page)
    assert told
    for name, *arguments in told:
        if name.startswith("-") or ":" in name:
            continue
        if name == "queue":
            name, *arguments = f"queue {arguments[0]}", *arguments[1:]
        assert name in known, name
        # It parses them; what it does with them is not asked for.
        known[name].make_context(name, list(arguments), resilient_parsing=False).close()


@pytest.mark.parametrize("page", ["README.md", "docs/first-spectrum.md", "docs/operating.md"])
def test_parameters_of_plans_are_taken(page):
    config = load_instrument("simulated-flow")
    asked = 0
    for name, *arguments in commands(ROOT / page):
        plan = {"run": arguments[1:2], "plans": arguments[:1], "queue": arguments[1:2]}.get(name, [])
        parameters = [word for word in arguments if word.startswith("{")]
        if plan and parameters and "400" not in parameters[0]:  # which the README asks for to have it refused
            Plan(config, plan[0], page).check(json.loads(parameters[0]))
            asked += 1
    assert asked


def test_devices_of_the_walk_through_are_those_of_the_template():
    text = (ROOT / "config" / "instruments" / "lab-serial.toml").read_text(encoding="utf-8")
    for name, *arguments in commands(ROOT / "docs" / "first-spectrum.md"):
        if name == "devices" and not arguments[0].startswith("-"):
            assert f"[devices.{arguments[0]}]" in text
