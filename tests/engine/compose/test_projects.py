"""What projects of docker compose may rely on; the same on our engine and on a real one."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import pytest

from tests.deadline import eventually
from tests.engine.compose.conftest import Compose

FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).status)"

CONDITIONS = """
services:
  migrate:
    image: busybox
    command: sh -c "sleep 0.5; echo migrated > /state/done"
    volumes: ["state:/state"]
  database:
    image: busybox
    command: sh -c "touch /ready; sleep 600"
    healthcheck: {test: ["CMD", "test", "-e", "/ready"], interval: 300ms, retries: 50}
  api:
    image: busybox
    command: sh -c "cat /state/done; sleep 600"
    volumes: ["state:/state:ro"]
    depends_on:
      migrate: {condition: service_completed_successfully}
      database: {condition: service_healthy}
volumes: {state: {}}
"""

LAYERS = """
services:
  web:
    image: python:3.12-slim
    command: ["python", "-m", "http.server", "8000"]
    networks: {front: {aliases: [www]}}
  middle:
    image: python:3.12-slim
    command: ["python", "-m", "http.server", "8000"]
    networks: [front, back]
  database:
    image: python:3.12-slim
    command: ["python", "-m", "http.server", "8000"]
    networks: [back]
networks:
  front: {}
  back: {internal: true}
"""

SETTINGS = """
services:
  app:
    image: busybox
    command: sh -c "env; cat /run/secrets/password /etc/app.conf"
    env_file: [app.env]
    environment: {OWN: "1", MODE: "${MODE:-quiet}"}
    secrets: [password]
    configs: [{source: conf, target: /etc/app.conf}]
secrets: {password: {file: ./password.txt}}
configs: {conf: {content: "level=debug\\n"}}
"""


def lines(compose: Compose, *arguments: str) -> list[str]:
    done = compose(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_service_waits_for_health_and_for_a_successful_end(compose: Compose) -> None:
    done = compose("up", "-d", yaml=CONDITIONS)
    assert done.returncode == 0, done.stderr
    assert "database-1 Healthy" in done.stderr
    assert "migrate-1 Exited" in done.stderr
    eventually(lambda: "migrated" in compose("logs", "--no-log-prefix", "api").stdout, "what migrate wrote")


def test_services_reach_only_those_of_their_networks_by_name_and_alias(compose: Compose) -> None:
    assert compose("up", "-d", yaml=LAYERS).returncode == 0

    def reaches(service: str, host: str) -> bool:
        call = ("exec", "-T", service, "python", "-c", FETCH, f"http://{host}:8000")
        return compose(*call).stdout == "200\n"

    eventually(lambda: reaches("middle", "www"), "the web service by its alias")
    eventually(lambda: reaches("middle", "database"), "the database by its name")
    eventually(lambda: reaches("database", "middle"), "the one between by its name")
    assert not reaches("web", "database")
    assert not reaches("database", "web")


def test_env_files_secrets_and_configs_arrive(compose: Compose, tmp_path: Path, name: str) -> None:
    (tmp_path / name / "app.env").write_text("FROM_FILE=yes\nOWN=0\n")
    (tmp_path / name / "password.txt").write_text("s3cret\n")
    done = compose("run", "--rm", "-T", "app", yaml=SETTINGS)
    if "bind source path does not exist" in done.stderr:
        pytest.skip("this engine does not see the test's files")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert {"FROM_FILE=yes", "OWN=1", "MODE=quiet", "s3cret", "level=debug"} <= set(said)


def test_changed_service_alone_is_made_anew_and_volumes_stay(
    compose: Compose, client: docker.DockerClient, name: str
) -> None:
    service = "    image: busybox\n    command: sleep {}\n    volumes: ['{}:/data']\n"
    yaml = (
        f"services:\n  one:\n{service}  two:\n{service}volumes: {{{{first: {{{{}}}}, second: {{{{}}}}}}}}\n"
    )
    assert compose("up", "-d", yaml=yaml.format(600, "first", 600, "second")).returncode == 0
    before = {s: lines(compose, "ps", "-q", s) for s in ("one", "two")}
    assert compose("exec", "-T", "two", "sh", "-c", "echo kept > /data/f").returncode == 0
    assert compose("up", "-d", yaml=yaml.format(600, "first", 601, "second")).returncode == 0
    assert lines(compose, "ps", "-q", "one") == before["one"]
    assert lines(compose, "ps", "-q", "two") != before["two"]
    assert lines(compose, "exec", "-T", "two", "cat", "/data/f") == ["kept"]
    assert compose("down").returncode == 0
    assert len(client.volumes.list(filters={"label": f"com.docker.compose.project={name}"})) == 2
    assert compose("down", "-v").returncode == 0
    assert client.volumes.list(filters={"label": f"com.docker.compose.project={name}"}) == []


def test_scaled_service_is_found_under_its_name_at_every_replica(compose: Compose) -> None:
    yaml = "services: {web: {image: python:3.12-slim, command: sleep 600}}\n"
    assert compose("up", "-d", "--scale", "web=3", yaml=yaml).returncode == 0
    code = "import socket; print(len({a[4][0] for a in socket.getaddrinfo('web', 80)}))"
    assert lines(compose, "exec", "-T", "web", "python", "-c", code) == ["3"]
    listed = [json.loads(line)["Name"] for line in lines(compose, "ps", "--format", "json")]
    assert len(listed) == 3
    assert compose("up", "-d", "--scale", "web=1").returncode == 0
    assert len(lines(compose, "ps", "-q")) == 1


def test_failing_check_fails_up_with_wait(compose: Compose) -> None:
    yaml = (
        "services:\n  sick:\n    image: busybox\n    command: sleep 600\n"
        "    healthcheck: {test: ['CMD', 'false'], interval: 200ms, retries: 2}\n"
    )
    done = compose("up", "-d", "--wait", yaml=yaml)
    assert done.returncode == 1
    assert "is unhealthy" in done.stderr


def test_files_are_copied_in_and_out(compose: Compose, tmp_path: Path, name: str) -> None:
    assert compose("up", "-d", yaml="services: {a: {image: busybox, command: sleep 600}}\n").returncode == 0
    (tmp_path / name / "in.txt").write_text("there and back\n")
    assert compose("cp", "in.txt", "a:/tmp/out.txt").returncode == 0
    assert compose("cp", "a:/tmp/out.txt", "back.txt").returncode == 0
    assert (tmp_path / name / "back.txt").read_text() == "there and back\n"
