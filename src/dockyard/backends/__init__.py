"""Where the system under the learner comes from: embedded, or somebody's Docker Engine."""

from dockyard.backends.backend import Backend
from dockyard.backends.choice import Choice, forget, remember
from dockyard.backends.choose import NAMES, choose, open_backend
from dockyard.backends.docker import DockerBackend
from dockyard.backends.embedded import EmbeddedBackend

__all__ = [
    "NAMES",
    "Backend",
    "Choice",
    "DockerBackend",
    "EmbeddedBackend",
    "choose",
    "forget",
    "open_backend",
    "remember",
]
