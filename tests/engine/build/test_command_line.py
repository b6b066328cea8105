"""`docker build` with the docker command line, on our engine and on a real one."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from tests.engine.build.contexts import archive
from tests.engine.conftest import Cli, cli, client, docker_host, embedded_engine

__all__ = ["cli", "client", "docker_host", "embedded_engine"]

Tag = Callable[[], str]


@pytest.fixture
def tag(client: docker.DockerClient) -> Iterator[Tag]:
    """Names for images, which are removed after the test."""
    made: list[str] = []

    def name() -> str:
        made.append(f"p3-{uuid.uuid4().hex[:12]}:1")
        return made[-1]

    yield name
    for one in made:
        try:
            client.images.remove(one, force=True)
        except docker.errors.ImageNotFound:
            pass  # the build was one that fails


@pytest.fixture(autouse=True)
def _classic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    context = tmp_path / "project"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /d/\nCMD cat /d/a\n")
    (context / ".dockerignore").write_text("*.log\nsecret\n!keep.log\n")
    for name in ("a", "drop.log", "keep.log", "secret"):
        (context / name).write_text(f"{name}\n")
    return context


def test_context_is_sent_without_what_is_ignored(cli: Cli, tag: Tag, project: Path) -> None:
    name = tag()
    built = cli("build", "-t", name, str(project))
    assert built.returncode == 0, built.stderr
    assert f"Successfully tagged {name}\n" in built.stdout
    assert cli("run", "--rm", name, "ls", "-A", "/d").stdout.split() == [
        ".dockerignore", "Dockerfile", "a", "keep.log",
    ]  # fmt: skip


def test_dockerfile_outside_the_context(cli: Cli, tag: Tag, project: Path) -> None:
    other = project.parent / "Other"
    other.write_text("FROM busybox\nLABEL by=other\nCOPY a /a\n")
    name = tag()
    built = cli("build", "-t", name, "-f", str(other), str(project))
    assert built.returncode == 0, built.stderr
    assert cli("inspect", "-f", '{{index .Config.Labels "by"}}', name).stdout == "other\n"


def test_dockerfile_on_standard_input(cli: Cli, tag: Tag, project: Path) -> None:
    name = tag()
    built = cli("build", "-t", name, "-", stdin="FROM busybox\nLABEL by=stdin\n")
    assert built.returncode == 0, built.stderr
    beside = cli("build", "-t", tag(), "-f", "-", str(project), stdin="FROM busybox\nCOPY a /a\n")
    assert beside.returncode == 0, beside.stderr


def test_packed_context(cli: Cli, tag: Tag, project: Path) -> None:
    packed = project.parent / "context.tar.gz"
    packed.write_bytes(gzip.compress(archive({"Dockerfile": "FROM busybox\nCOPY a /a\n", "a": "1"})))
    # The command line reads standard input, or a path of its own.
    name = tag()
    built = cli("build", "-t", name, "--compress", str(project))
    assert built.returncode == 0, built.stderr


def test_quiet_build_prints_the_id(cli: Cli, tag: Tag, project: Path) -> None:
    name = tag()
    built = cli("build", "-q", "-t", name, str(project))
    assert built.stdout == cli("inspect", "-f", "{{.Id}}", name).stdout


def test_failing_step_is_the_exit_status(cli: Cli) -> None:
    built = cli("build", "--force-rm", "-", stdin="FROM busybox\nRUN echo no >&2; exit 42\n")
    assert built.returncode == 42
    assert "The command '/bin/sh -c echo no >&2; exit 42' returned a non-zero code: 42" in built.stderr


def test_options_of_the_command_line(cli: Cli, tag: Tag) -> None:
    name = tag()
    text = "FROM busybox AS one\nARG V\nRUN echo V=$V && cat /etc/hosts\nFROM one\nRUN exit 9\n"
    options = ["--build-arg", "V=7", "--add-host", "db:10.0.0.9", "--label", "a=b", "--target", "one"]
    built = cli("build", *options, "--memory", "64m", "--shm-size", "32m", "-t", name, "-", stdin=text)
    assert built.returncode == 0, built.stderr
    assert "V=7" in built.stdout
    assert "10.0.0.9\tdb" in built.stdout
    assert cli("inspect", "-f", "{{.Config.Labels.a}}", name).stdout == "b\n"
    again = cli("build", *options, "--memory", "64m", "--shm-size", "32m", "-t", name, "-", stdin=text)
    assert again.stdout.count("Using cache") == 3


STAGES = """FROM busybox AS build
WORKDIR /out
RUN echo made > made && mkdir d && echo x > d/x
FROM busybox
COPY --from=build /out/made /copied
COPY --from=0 --chown=11:12 /out/d /d
COPY --chown=daemon:daemon a b.txt /two/
USER 1000
WORKDIR /home/x
VOLUME ["/data", "/more"]
EXPOSE 80 443/tcp 53/udp
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --retries=2 CMD true
ONBUILD RUN echo triggered
ENTRYPOINT ["echo", "one"]
CMD ["two"]
"""


def test_every_instruction_ends_in_the_image(
    cli: Cli, tag: Tag, client: docker.DockerClient, project: Path
) -> None:
    (project / "Dockerfile").write_text(STAGES)
    (project / "b.txt").write_text("b\n")
    name = tag()
    built = cli("build", "-t", name, str(project))
    assert built.returncode == 0, built.stderr
    config = client.images.get(name).attrs["Config"]
    assert config["User"] == "1000"
    assert config["WorkingDir"] == "/home/x"
    assert sorted(config["Volumes"]) == ["/data", "/more"]
    assert sorted(config["ExposedPorts"]) == ["443/tcp", "53/udp", "80/tcp"]
    assert config["StopSignal"] == "SIGINT"
    assert config["Shell"] == ["/bin/sh", "-ec"]
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 5 * 10**9, "Retries": 2}
    assert config["OnBuild"] == ["RUN echo triggered"]
    assert cli("run", "--rm", name).stdout == "one two\n"
    child = cli("build", "-t", tag(), "-", stdin=f"FROM {name}\n")
    assert "# Executing 1 build trigger\n" in child.stdout
    assert "\ntriggered\n" in child.stdout
