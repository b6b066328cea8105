"""Somebody's cluster to test with: a second platform of ours, and a learner's kubeconfig that names it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from dockyard.home import Home
from tests.cli.conftest import CommandLine


class SomebodysCluster:
    """A platform in a home of its own; of it the tests use the Kubernetes API, as any cluster has it."""

    def __init__(self, directory: Path) -> None:
        self._platform = CommandLine(Home(directory))
        done = self._platform.run("up")
        assert done.returncode == 0, done.stderr
        self.admin = self._platform.home.kubeconfig
        self.docker_host = self._platform.home.docker_host

    def close(self) -> None:
        self._platform.run("down")

    def kubectl(self, *arguments: str, text: str = "") -> str:
        """As its administrator."""
        argv = [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(self.admin), *arguments]
        done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self, kind: str, *arguments: str) -> list[str]:
        """The names of the objects of a kind."""
        return self.kubectl("get", kind, *arguments, "-o", "name").split()

    def learners_file(self, path: Path, **contexts: dict[str, Any]) -> Path:
        """A kubeconfig with these contexts (name: `user` of its own, `namespace`), the first one current."""
        document = json.loads(self.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
        (cluster,), (user,) = document["clusters"], document["users"]
        users = [
            {"name": name, "user": context.pop("user", user["user"])} for name, context in contexts.items()
        ]
        document["users"] = users
        document["contexts"] = [
            {"name": name, "context": {"cluster": cluster["name"], "user": name, **context}}
            for name, context in contexts.items()
        ]
        document["current-context"] = next(iter(contexts))
        path.write_text(json.dumps(document))
        return path
