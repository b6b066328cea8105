"""The embedded backend: the platform that `dockyard up` starts on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dockyard.backends.control import Control
from dockyard.errors import UserError
from dockyard.home import Home

START_SECONDS = 120.0


class EmbeddedBackend:
    """A client of one home's daemon; holds nothing itself."""

    name = "embedded"
    has_cluster = True
    namespace = ""
    kept: tuple[str, ...] = ()

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def docker_host(self) -> str:
        return self.home.docker_host

    @property
    def kubeconfig(self) -> Path:
        return self.home.kubeconfig

    def up(self) -> dict[str, Any]:
        running = self.status()
        return running if running is not None else self._command("up")

    def down(self) -> None:
        self._command("down")

    def status(self) -> dict[str, Any] | None:
        return self.home.state()

    def lacks(self, want: str) -> str:
        return ""

    def image(self, tag: str) -> str:
        return tag

    def deliver(self, tags: Sequence[str], say: Callable[[str], None]) -> None:
        pass  # engine and cluster share their images

    def cut(self, namespace: str, selector: str) -> None:
        self._fault("cut", namespace, selector)

    def restore(self, namespace: str, selector: str) -> None:
        self._fault("restore", namespace, selector)

    def add_node(self, name: str, memory: str) -> None:
        self.remove_node(name)
        Control(self.home).post("/nodes", {"action": "add", "node": name, "memory": memory})

    def remove_node(self, name: str) -> None:
        control = Control(self.home)
        if name in control.get("/status")["nodes"]:
            control.post("/nodes", {"action": "remove", "node": name})

    def _fault(self, action: str, namespace: str, selector: str) -> None:
        document = {"action": action, "namespace": namespace, "selector": selector}
        Control(self.home, timeout=10.0).post("/faults", document)

    def _command(self, name: str) -> dict[str, Any]:
        """Run the command line: a process of its own is what starts the platform, whoever asks for it."""
        argv = [sys.executable, "-P", "-m", "dockyard", name, "--json"]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=START_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"`dockyard {name}` did not end within {START_SECONDS:.0f} s",
                f"Look at the platform's log, {self.home.log}.",
            ) from error
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError as error:
            detail = (done.stderr or done.stdout).strip()[-400:]
            raise UserError(f"`dockyard {name}` failed: {detail}", "Try it in a terminal.") from error
        if done.returncode:
            raise UserError(answer.get("error", f"`dockyard {name}` failed"), answer.get("advice", ""))
        return answer
