"""Where a conversation is played: an engine as the recorder's, a project directory, free ports."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import docker

from tests import busybox
from tests.engine.serving import EngineProcess
from tests.parity.docker.aged import as_recorded
from tests.parity.docker.play_shell import Shell
from tests.parity.docker.recordings import Conversation, Step
from tests.parity.docker.registry import RecordersRegistry

PROJECT = "/home/student/project"
"""Where the recorder's project was."""
_PORT = re.compile(r"\b1[89]\d{3}\b")
"""Host ports that conversations publish; each is played on another that is free."""
_BASE = {"busybox:latest", "python:3.12-slim", "postgres:15", "postgres:16"}


class Stage:
    """One engine, on which conversations are played one after another, each from the same start."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._images = home / "recorded-images.tar"
        self._engine = EngineProcess(home)
        self._engine.start()
        self._client = docker.DockerClient(base_url=self._engine.url, timeout=60)

        self._registries = {
            "localhost:5000": RecordersRegistry(),
            "localhost:5001": RecordersRegistry(denies=True),
        }

    def close(self) -> None:
        for registry in self._registries.values():
            registry.close()
        self._client.close()
        self._engine.close()

    def play(self, name: str, conversation: Conversation) -> list[Step]:
        """Return what each step gave; fewer than there are steps where one did not come back."""
        self._set(name, conversation)
        with tempfile.TemporaryDirectory(prefix="dy-parity-", dir=self._home) as scratch:
            project = Path(scratch) / "project"
            project.mkdir()
            ports = _free_ports(set(_PORT.findall(json.dumps(conversation["steps"]))))
            there = {PROJECT: str(project), **ports, **self._registry_names()}
            for path, text in conversation.get("files", {}).items():
                file = project / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(str(_replaced({"text": text}, there)["text"]))
            back = {new: old for old, new in there.items()}
            steps = [_replaced(step, there) for step in conversation["steps"]]
            play = self._python if any("src" in step for step in steps) else self._shell
            return [_replaced(given, back) for given in play(steps, project)]

    def _registry_names(self) -> dict[str, str]:
        """What the recorder's registries are called here, also in the query of a URL."""
        names: dict[str, str] = {}
        for name, registry in self._registries.items():
            registry.clear()
            names |= {name: registry.host, name.replace(":", "%3A"): registry.host.replace(":", "%3A")}
        return names

    def _python(self, steps: list[Step], project: Path) -> list[Step]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.parity.docker.play_python", self._engine.url],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, err = process.communicate(json.dumps([step["src"] for step in steps]), timeout=80)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        given = [json.loads(line) for line in out.splitlines()]
        if len(given) < len(steps):
            given.append({"player": err or "did not come back"})
        return given

    def _shell(self, steps: list[Step], project: Path) -> list[Step]:
        home = project.parent
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "USER": "student",
            "TERM": "xterm",
            "DOCKER_HOST": self._engine.url,
            "DOCKER_CONFIG": str(home / ".docker"),
        }
        plugins = home / ".docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        if compose := shutil.which(
            "docker-compose", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ):
            (plugins / "docker-compose").symlink_to(compose)
        shell = Shell(project, environment)
        try:
            return [shell.play(step) for step in steps]
        finally:
            shell.close()

    def _set(self, name: str, conversation: Conversation) -> None:
        """Bring the engine to where the recorder's was."""
        client = self._client
        for container in client.containers.list(all=True, ignore_removed=True):
            container.remove(force=True, v=True)
        client.networks.prune()
        client.api.prune_volumes(filters={"all": ["true"]})
        for image in client.images.list():
            for tag in image.tags:
                if tag not in _BASE:
                    client.images.remove(tag, force=True)
        client.images.prune(filters={"dangling": True})
        client.api.prune_builds()
        have = {tag for image in client.images.list() for tag in image.tags}
        if not have >= _BASE:
            for tag in have:
                client.images.remove(tag, force=True)
            client.images.load(self._images.read_bytes())
        if name.startswith("api/"):
            client.networks.create("net1")
            client.volumes.create("vol1")
            client.containers.run(
                "busybox", "sleep 600", name="run1", detach=True, network="net1", volumes=["vol1:/v"]
            )
            client.containers.run("busybox", "true", name="done1")
        for command in conversation.get("precondition", ()):
            environment = {**os.environ, "DOCKER_HOST": self._engine.url}
            subprocess.run(["bash", "-c", command], env=environment, check=True, capture_output=True)

    def install(self, program: Path) -> None:
        """Make the images that the recorder had, as it had them: loaded, without steps of builds."""
        client = self._client
        client.images.pull("python", "3.12-slim")
        busybox.install(client, program)
        # Nothing is run of these two; they are in lists of images.
        context = busybox.archived({"PG_VERSION": b"15\n", "Dockerfile": b"FROM scratch\nADD PG_VERSION /\n"})
        built, _ = client.images.build(fileobj=context, custom_context=True, rm=True)
        built.tag("postgres", "15")
        built.tag("postgres", "16")
        saved = client.api._get(client.api._url("/images/get"), params={"names": sorted(_BASE)}).content
        for tag in _BASE:
            client.images.remove(tag, force=True)
        self._images.write_bytes(as_recorded(saved))
        client.images.load(self._images.read_bytes())


def _free_ports(wanted: Iterable[str]) -> dict[str, str]:
    """Return a free port of five digits for each of `wanted`."""
    found: dict[str, str] = {}
    for port in sorted(wanted):
        while port not in found:
            with socket.socket() as trial:
                trial.bind(("127.0.0.1", 0))
                candidate = str(trial.getsockname()[1])
            if len(candidate) == 5 and candidate not in found.values():
                found[port] = candidate
    return found


def _replaced(step: Step, texts: dict[str, str]) -> Step:
    content = json.dumps(step)
    for old, new in texts.items():
        content = content.replace(old, new)
    replaced: Step = json.loads(content)
    return replaced
