"""Where the system under the learner comes from: embedded, somebody's Docker Engine, kind, or any cluster."""

from dockyard.backends.backend import Backend, MakesNodes
from dockyard.backends.choice import Choice, forget, remember, remembered
from dockyard.backends.choose import NAMES, choose, chosen, open_backend
from dockyard.backends.docker import DockerBackend
from dockyard.backends.embedded import EmbeddedBackend
from dockyard.backends.kind import KindBackend
from dockyard.backends.kubeconfig import KubeconfigBackend

__all__ = [
    "NAMES",
    "Backend",
    "Choice",
    "DockerBackend",
    "EmbeddedBackend",
    "KindBackend",
    "KubeconfigBackend",
    "MakesNodes",
    "choose",
    "chosen",
    "forget",
    "open_backend",
    "remember",
    "remembered",
]
