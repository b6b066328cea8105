"""Every command: help, documentation, answers for programs, and errors that are sentences."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import click
import pytest

from dockyard.cli import group
from tests.cli.conftest import CommandLine

NODES = ["node/dockyard-1", "node/dockyard-2", "node/dockyard-3"]
PROJECT = Path(__file__).resolve().parents[2]
NAMES = group.list_commands(click.Context(group))
# These run something in the foreground whose output is the answer.
WITHOUT_JSON = {"lab"}


def test_there_are_commands() -> None:
    assert {"up", "down", "status", "doctor", "lab", "test"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_command_has_help_and_says_its_exit_statuses(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.help
    assert "exit status" in command.help.lower(), f"the help of {name} doesn't say its exit statuses"


@pytest.mark.parametrize("name", NAMES)
def test_command_is_documented(name: str) -> None:
    page = (PROJECT / "docs" / "commands.md").read_text()
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert f"\n## {name}\n" in page, "run `just docs`"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in page, "run `just docs`"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_JSON])
def test_command_answers_programs_with_json(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["up", "--nonsense"], ["status", "extra"], ["lab", "--port", "many"]]
)
def test_wrong_usage_is_2_and_says_so_to_people_and_programs(cli: CommandLine, arguments: list[str]) -> None:
    done = cli.run(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] != "lab":
        done = cli.run(*arguments, "--json")
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]


def test_unknown_lesson_names_the_known_ones(cli: CommandLine) -> None:
    done = cli.run("lab", "99", "--no-browser")
    assert done.returncode == 4
    assert "06-probes" in done.stderr


def test_unknown_driver_is_refused_with_the_known_ones(cli: CommandLine) -> None:
    done = cli.run("up", "--driver", "magic", "--json")
    assert done.returncode == 4
    answer = json.loads(done.stdout)
    assert "magic" in answer["error"]
    assert "none" in answer["error"]


def test_reader_that_goes_away_is_no_error(cli: CommandLine) -> None:
    process = cli.start("--help")
    assert process.stdout is not None
    process.stdout.close()
    assert "Traceback" not in (process.stderr.read() if process.stderr else "")
    process.wait(timeout=60)
    assert process.stderr is not None
    process.stderr.close()


def test_doctor_of_a_running_platform_shows_driver_trials_and_stand_ins(running: CommandLine) -> None:
    done = running.run("doctor", "--json")
    report = json.loads(done.stdout)
    findings = {finding["subject"]: finding for finding in report["findings"]}
    assert findings["platform"]["state"] == "ok"
    assert findings["driver"]["value"]
    assert "image python" in findings
    assert all(finding["advice"] for finding in report["findings"] if finding["state"] == "bad")
    assert done.returncode == (0 if report["healthy"] else 1)


def test_env_points_clients_at_the_platform(running: CommandLine) -> None:
    lines = running.run("env").stdout
    shown = subprocess.run(
        ["sh", "-c", f'{lines}\necho "$DOCKER_HOST"; kubectl get nodes -o name'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert shown.stdout.split() == [running.home.docker_host, *NODES], shown.stderr
