"""`--cache-from`: steps are taken only from named images, also from those that were built elsewhere.

What counts is the history, as upstream has it: an image that begins with the parent's steps and goes on with
this one.
"""

from collections.abc import Sequence

from dockyard.engine.build.stage import Config
from dockyard.runtime.images import Image, ImageStore


class CacheFrom:
    """The images that were named and are here."""

    def __init__(self, images: ImageStore, names: Sequence[str]) -> None:
        self._images = images
        found = [images.find(name) for name in names]
        self._sources = [image for image in found if image is not None]

    def allows(self, image: Image) -> bool:
        """Whether a step that was built here led to one of them."""
        return any(image.id in self._line(source) for source in self._sources)

    def _line(self, image: Image | None) -> set[str]:
        line = set()
        while image is not None:
            line.add(image.id)
            image = self._images.find(image.parent) if image.parent else None
        return line

    def find(self, parent: Image | None, config: Config, created_by: str) -> Image | None:
        """The step as one of them has it."""
        for source in self._sources:
            layers = self._layers_of_step(source, parent, created_by)
            if layers is None:
                continue
            # From now on no other: its steps belong together.
            self._sources = [source]
            layer = self._images.layers.get(layers[0]) if layers else None
            return self._images.commit(parent, layer, config, created_by=created_by)
        return None

    @staticmethod
    def _layers_of_step(source: Image, parent: Image | None, created_by: str) -> Sequence[str] | None:
        before = parent.config.get("history") or [] if parent else []
        steps = source.config.get("history") or []
        below = parent.layers if parent else ()
        if len(steps) <= len(before) or source.layers[: len(below)] != tuple(below):
            return None
        if [step.get("created_by") for step in steps[: len(before)]] != [
            step.get("created_by") for step in before
        ]:
            return None
        step = steps[len(before)]
        if step.get("created_by") != created_by:
            return None
        return () if step.get("empty_layer") else source.layers[len(below) : len(below) + 1]
