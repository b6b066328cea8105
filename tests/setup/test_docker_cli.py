"""The docker command line: fetched where there is none, left alone where there is one, never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dockyard.setup import docker_cli
from dockyard.setup.environment import Environment

# They play a mirror: $OFFERED are the packages that it has.
APT = """#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in *" update"*) exit 0 ;; esac
for package; do :; done
case " $OFFERED " in *" $package "*) : >"$package.deb" ;; *) echo "E: no $package" >&2; exit 100 ;; esac
"""
DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin"
printf '#!/bin/sh\\necho "Docker version of %s"\\n' "$(basename "$2")" >"$3/usr/bin/docker"
chmod +x "$3/usr/bin/docker"
"""


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment on a machine whose only programs are a shell's and the mirror's."""
    tools = tmp_path / "tools"
    script(tools / "apt-get", APT)
    script(tools / "dpkg-deb", DPKG)
    for name in ("sh", "mkdir", "chmod", "basename"):
        (tools / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("OFFERED", "docker-cli docker.io")
    monkeypatch.delenv("DOCKYARD_FETCH_DOCKER", raising=False)
    environment = Environment(tmp_path, tmp_path / "venv")
    (environment.venv / "bin").mkdir(parents=True)
    environment.stamps.directory.mkdir(parents=True)
    return environment


def said(environment: Environment) -> str:
    """What the docker of the environment says of itself."""
    with os.popen(f"{environment.venv}/bin/docker --version") as answer:
        return answer.read().strip()


def test_machine_without_docker_gets_the_client_alone_and_only_once(
    environment: Environment, tmp_path: Path
) -> None:
    docker_cli.fetch_if_needed(environment)
    assert said(environment) == "Docker version of docker-cli.deb"
    asked = (tmp_path / "log").read_text()
    docker_cli.fetch_if_needed(environment)
    assert (tmp_path / "log").read_text() == asked
    assert [path.name for path in environment.stamps.directory.iterdir()] == ["docker"]


def test_older_release_gives_it_with_the_engine(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFERED", "docker.io")
    docker_cli.fetch_if_needed(environment)
    assert said(environment) == "Docker version of docker.io.deb"


def test_machine_with_docker_keeps_its_own(environment: Environment, tmp_path: Path) -> None:
    script(tmp_path / "tools" / "docker", "#!/bin/sh\nexit 0\n")
    docker_cli.fetch_if_needed(environment)
    assert not (environment.venv / "bin" / "docker").exists()
    assert not (tmp_path / "log").exists()


def test_set_up_goes_on_without_a_mirror_and_the_next_one_mends_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OFFERED", "")
    docker_cli.fetch_if_needed(environment)
    assert "dockyard works without it" in capsys.readouterr().err
    monkeypatch.setenv("OFFERED", "docker-cli")
    docker_cli.fetch_if_needed(environment)
    assert said(environment) == "Docker version of docker-cli.deb"


def test_client_that_does_not_run_here_is_not_kept(environment: Environment, tmp_path: Path) -> None:
    script(tmp_path / "tools" / "dpkg-deb", DPKG.replace("echo", "false"))
    docker_cli.fetch_if_needed(environment)
    assert not (environment.venv / "bin" / "docker").exists()
    assert not (environment.stamps.directory / "docker").exists()
