"""`dockyard test`: everything that tests need, then all of them."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from dockyard.errors import UserError
from dockyard.home import project_root


@click.command("test", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.option(
    "--json", "as_json", is_flag=True, help="Answer with one JSON document: the counts and the failures."
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def command(as_json: bool, pytest_arguments: tuple[str, ...]) -> None:
    """Install what the tests need, and run all of them, or those that PYTEST_ARGUMENTS choose.

    Exit status: 0 all passed, 1 some failed, 4 the tests can't be set up, otherwise pytest's own.
    """
    project = project_root()
    if not (project / "tests").is_dir():
        raise UserError(f"there are no tests in {project}", "Run this in a clone of the repository.")
    install(("test", "lint"))
    arguments = list(pytest_arguments)
    if not any(word.startswith(("-n", "--numprocesses", "-p")) for word in arguments):
        # A file stays on one worker, so what its tests share is made once.
        arguments += ["-n", os.environ.get("DOCKYARD_TEST_WORKERS", "auto"), "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", *arguments]
    if not as_json:
        raise click.exceptions.Exit(subprocess.run(command, cwd=project).returncode)
    raise click.exceptions.Exit(run_for_program(command))


def install(groups: tuple[str, ...]) -> None:
    """Bring the locks of `groups` into this environment; at once when they are there already."""
    from dockyard.setup.environment import Environment
    from dockyard.setup.lock import exclusive

    project = project_root()
    environment = Environment.of_this_interpreter(project)
    if environment is None:
        return  # an environment that somebody else made and keeps; pytest says if it lacks something
    with exclusive(environment.venv):
        environment.install(groups)


def run_for_program(command: list[str]) -> int:
    """Run pytest and print the counts and the names of failed tests as JSON, read from its JUnit report."""
    import json
    import tempfile
    import xml.etree.ElementTree as ElementTree
    from pathlib import Path

    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        done = subprocess.run([*command, f"--junitxml={report}"], cwd=project_root(), stdout=sys.stderr)
        suites = ElementTree.parse(report).getroot() if report.exists() else ElementTree.Element("none")
    cases = list(suites.iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    click.echo(
        json.dumps(
            {
                "tests": len(cases),
                "passed": len(cases) - len(bad) - len(skipped),
                "skipped": len(skipped),
                "failed": [f"{case.get('classname')}::{case.get('name')}" for case in bad],
            },
            indent=2,
        )
    )
    return done.returncode
