"""Makes stand-in images on first use, and again when the machine or the recipe changed."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dockyard.runtime import catalog
from dockyard.runtime.image import Image
from dockyard.runtime.references import familiar

if TYPE_CHECKING:
    from dockyard.runtime.images import ImageStore

Progress = Callable[[str], None]


class StandInMaker:
    """One at a time."""

    def __init__(self, store: "ImageStore") -> None:
        self._store = store
        self._making = threading.Lock()

    def make(self, name: str, stand_in: "catalog.StandIn", progress: Progress) -> Image:
        """The image called `name`. Takes seconds the first time. Raises catalog.Unavailable."""
        with self._making:
            return self._make(name, stand_in, progress)

    def _make(self, name: str, stand_in: "catalog.StandIn", progress: Progress) -> Image:
        store, records = self._store, self._store.records
        fingerprint = stand_in.fingerprint()
        with records.lock:
            made = records.stand_in(fingerprint)
            if made is not None:
                if name not in store.get(made).repo_tags:
                    store.tag(made, name)
                return store.get(made)
        below = self._make_base(stand_in, progress)
        progress(f"{name}: {stand_in.description()}")
        tree = store.layers.new_tree()
        tree.mkdir()
        config = stand_in.fill(tree, tuple(store.layer_paths(below)) if below else ())
        layer = store.add_layer(tree)
        labels = {**(config.get("Labels") or {}), **stand_in.labels()}
        image = store.commit(
            below,
            layer,
            {**config, "Labels": labels},
            created_by=f"dockyard stand-in: {stand_in.description()}",
        )
        store.tag(image.id, name)
        records.remember_stand_in(fingerprint, image.id)
        return store.get(name)

    def _make_base(self, stand_in: "catalog.StandIn", progress: Progress) -> Image | None:
        if stand_in.base is None:
            return None
        base = catalog.find(familiar(stand_in.base))
        assert base is not None
        return self._make(familiar(stand_in.base), base, progress)
