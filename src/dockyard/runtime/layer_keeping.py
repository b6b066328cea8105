"""Which layers are needed: those of images, of containers, and of images that are still being made."""

from collections import Counter

from dockyard.runtime.image_records import Records
from dockyard.runtime.layers import Layers


class LayerKeeping:
    """Removes the layers that nothing needs; never one that somebody said to spare."""

    def __init__(self, records: Records, layers: Layers) -> None:
        self._records = records
        self._layers = layers
        # Layers whose image is still being made, and how often: equal input gives two builds the same layer.
        self._fresh: Counter[str] = Counter()

    def spare(self, digest: str) -> None:
        """Keep a layer that no image has yet from being swept away, also when a removed image had it."""
        with self._records.lock:
            self._fresh[digest] += 1

    def settle(self, digest: str) -> None:
        """Undo one `spare`: the image is made, or given up."""
        with self._records.lock:
            self._fresh[digest] -= 1

    def needed(self) -> set[str]:
        """Every layer that somebody needs."""
        with self._records.lock:
            self._fresh = +self._fresh  # without the layers whose images are all made
            lists = [*self._records.layer_lists(), *self._records.all_held()]
            return set(self._fresh).union(*lists)

    def sweep(self) -> None:
        """Remove the layers that neither an image nor a container needs."""
        with self._records.lock:
            names = {self._layers.path(digest).parent.name for digest in self.needed()}
            for name in self._layers.names() - names:
                self._layers.discard("sha256:" + name)
