"""The engine as a hint sees it: what the learner has written can be built, started and looked at."""

from __future__ import annotations

from pathlib import Path

from dockyard.backends import Backend
from dockyard.exercises.containers import Build, Containers, Running


class Workbench(Containers):
    """A docker SDK client and the learner's folder; what it makes is removed when the hint is given."""

    def __init__(self, backend: Backend, namespace: str, answers: Path) -> None:
        super().__init__(backend, f"{namespace}-hint")
        self.answers = answers

    def built(self, folder: str) -> Build:
        """The image of a folder of the answer. Raises CommandFailed with the engine's message."""
        return self.build(self.answers / folder, f"{self.trial}:{folder}")

    def started(self, file: str, **env: str) -> Running:
        """The container that a script of the answer starts. Raises CommandFailed."""
        return self.script(self.answers / file, env=env)
