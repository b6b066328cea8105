"""`dockyard lab`: the platform and JupyterLab, opened on the first lesson."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from dockyard.backends import choose
from dockyard.cli._backend import bring_up
from dockyard.clients import docker_settings
from dockyard.errors import UserError
from dockyard.exercises.answers import Labs
from dockyard.home import Home, project_root


@click.command("lab")
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser; for servers.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help="0 picks a free one."
)
@click.option("--ip", default="localhost", show_default=True, help="The address to listen on.")
@click.argument("lesson", default="00")
def command(no_browser: bool, port: int, ip: str, lesson: str) -> None:
    """Start the platform and JupyterLab, opened on LESSON (00 by default).

    Ctrl-C ends JupyterLab and leaves the platform running; `dockyard down` stops that. Exit status: that of
    JupyterLab, or 4 when something on this machine is in the way.
    """
    project = project_root()
    notebook = find_notebook(project, lesson)
    home = Home.find()
    state = bring_up(home)
    Labs.find(home=home).give_out_all()
    click.echo(
        f"The platform is ready ({state['backend']}, {state['driver']}); JupyterLab starts ...", err=True
    )
    arguments = [
        f"--ServerApp.root_dir={project}",
        f"--LabApp.default_url=/lab/tree/{notebook.relative_to(project)}",
        f"--ServerApp.port={port}",
        f"--ServerApp.ip={ip}",
        # A terminal's or kernel's first word should not be a question about news or a build.
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    if no_browser:
        arguments.append("--no-browser")
    if os.getuid() == 0:
        arguments.append("--allow-root")
    sys.stdout.flush()
    raise click.exceptions.Exit(run_lab(arguments, environment(home), project))


def find_notebook(project: Path, lesson: str) -> Path:
    """The notebook of a lesson, by number (`06`, `6`) or by name (`06-probes`)."""
    notebooks = sorted((project / "notebooks").glob("*.ipynb"))
    number = lesson.partition("-")[0].zfill(2)
    for notebook in notebooks:
        if notebook.stem == lesson or notebook.stem.startswith(f"{number}-"):
            return notebook
    if not notebooks:
        raise UserError("there are no notebooks in this clone", "Make them with: ./dockyard build")
    known = ", ".join(notebook.stem for notebook in notebooks)
    raise UserError(f"there is no lesson {lesson!r}", f"The lessons are: {known}")


def environment(home: Home) -> dict[str, str]:
    """The environment of kernels and terminals: every client finds the platform without being told."""
    binaries = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    backend = choose(home)
    if binaries not in path.split(os.pathsep):
        path = binaries + os.pathsep + path
    return os.environ | {
        "PATH": path,
        "DOCKER_HOST": backend.docker_host,
        "KUBECONFIG": str(backend.kubeconfig),
        "DOCKYARD_HOME": str(home.root),
        "DOCKYARD_PROJECT": str(project_root()),
        **docker_settings(home),
    }


def run_lab(arguments: list[str], environ: dict[str, str], project: Path) -> int:
    """Run JupyterLab in the foreground; returns its exit status. Ctrl-C is JupyterLab's to answer."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "jupyterlab", *arguments], env=environ, cwd=project
    )
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal sent it to JupyterLab too, which asks whether it is meant
