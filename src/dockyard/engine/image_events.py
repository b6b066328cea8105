"""What is told about images: an event carries the image's labels beside its name."""

from __future__ import annotations

from dockyard.engine.events import Events
from dockyard.runtime.image import Image


def tell(events: Events, action: str, image: Image, name: str, *, identifier: str = "") -> None:
    """Publish `action`; pulls and pushes are about a reference, their `identifier`, and not about an id."""
    labels = (image.config.get("config") or {}).get("Labels") or {}
    events.publish("image", action, identifier or image.id, {**labels, "name": name})
