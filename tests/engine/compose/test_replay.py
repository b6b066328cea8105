"""Recorded sessions of docker compose with a real engine, said to ours: the same codes and words."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from dockyard.home import Home
from tests.engine.compose.compare import differences
from tests.engine.compose.play import Player

RECORDINGS = Path(__file__).parents[2] / "data" / "docker" / "compose"
SESSIONS = sorted(path.stem for path in RECORDINGS.glob("*.json"))

# Steps that differ, and why. A step that no longer differs has to leave the list.
KNOWN = {
    (session, int(step)): reason
    for session, reasons in tomllib.loads((RECORDINGS.parent / "known.toml").read_text())["compose"].items()
    for step, reason in reasons.items()
}
# Steps whose output depends on the second in which they run: only their exit code counts.
BY_CHANCE = {("verbs-mini", 41), ("full-stack-up-down", 12)}


def load(session: str) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads((RECORDINGS / f"{session}.json").read_text())
    return recording


@pytest.fixture
def images(own_engine: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """For the session with a database, images that hold what the recorder's held."""
    if request.getfixturevalue("session") != "full-stack-up-down":
        yield
        return
    wheelhouse = Home.find().wheelhouse
    if not wheelhouse.is_dir():
        pytest.skip("no wheelhouse to install FastAPI from")
    client = docker.DockerClient(base_url=own_engine, timeout=300)
    client.images.pull("python:3.12-slim")
    install = "FROM python:3.12-slim\nRUN pip install fastapi uvicorn psycopg psycopg-binary\n"
    client.images.build(fileobj=io.BytesIO(install.encode()), tag="python:3.12-slim")
    client.images.pull("postgres:17").tag("postgres", "16")
    yield
    client.close()


@pytest.mark.parametrize("session", SESSIONS)
def test_session_goes_as_recorded(session: str, player: Player, images: None) -> None:
    recording = load(session)
    for name, text in recording["files"].items():
        player.write(name, text)
    unexpected = []
    try:
        for index, step in enumerate(recording["steps"]):
            outcome = player.play(step)
            found = differences(step, outcome) if outcome else []
            if (session, index) in BY_CHANCE:
                found = [difference for difference in found if difference.startswith("exit code")]
            if bool(found) != ((session, index) in KNOWN):
                unexpected.append((index, step.get("cmd"), found or "no longer differs"))
    finally:
        player.clean_up()
    assert not unexpected, json.dumps(unexpected, indent=1)
