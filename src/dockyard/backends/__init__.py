"""Where the system under the learner comes from: embedded, later kind and kubeconfig."""

from dockyard.backends.backend import Backend
from dockyard.backends.choose import choose
from dockyard.backends.embedded import EmbeddedBackend

__all__ = ["Backend", "EmbeddedBackend", "choose"]
