"""`dockyard bench`: measure this machine, and write docs/benchmarks.md."""

from __future__ import annotations

import subprocess
import sys

import click

from dockyard.errors import UserError
from dockyard.home import project_root


@click.command("bench")
@click.option("--json", "as_json", is_flag=True, help="Print every row of bench/results.json afterwards.")
@click.argument("names", nargs=-1)
def command(as_json: bool, names: tuple[str, ...]) -> None:
    """Run the benchmarks NAMES (all by default), each in a home of its own, and write docs/benchmarks.md.

    Exit status: 0 all within their budgets, 1 one missed its budget or failed, 2 no such benchmark.
    """
    project = project_root()
    runner = project / "bench" / "run"
    if not runner.is_file():
        raise UserError(f"there are no benchmarks in {project}", "Run this in a clone of the repository.")
    done = subprocess.run([sys.executable, runner, *names], check=False)
    if as_json and (project / "bench" / "results.json").is_file():
        click.echo((project / "bench" / "results.json").read_text())
    raise click.exceptions.Exit(done.returncode)
