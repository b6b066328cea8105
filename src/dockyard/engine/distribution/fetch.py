"""Gets an image that somebody needs and nobody has: the base of a build."""

from __future__ import annotations

from collections.abc import Mapping

from dockyard.engine.distribution.credentials import NOBODY, Credentials
from dockyard.engine.distribution.errors import TransferError, pull_answer
from dockyard.engine.distribution.location import HUB, locate
from dockyard.engine.distribution.manifests import parse_platform
from dockyard.engine.distribution.progress import Progress, Say
from dockyard.engine.distribution.pull import Pull
from dockyard.engine.errors import Failed
from dockyard.engine.image_names import checked
from dockyard.runtime import catalog
from dockyard.runtime.images import Image, ImageStore


def fetch(
    store: ImageStore, reference: str, say: Say, known: Mapping[str, Credentials] | None = None
) -> Image:
    """Pull the image; `say` gets the progress as a build shows it, `known` are credentials by host.

    Blocking: use it in a thread.

    Raises:
        EngineError: it can't be had; the message is upstream's.
    """
    location = locate(checked(reference))
    host = "https://index.docker.io/v1/" if location.host == HUB else location.host
    credentials = (known or {}).get(host, NOBODY)
    pull = Pull(store, location, parse_platform("", catalog.architecture()), credentials)
    try:
        found = pull.find()
    except TransferError as error:
        raise pull_answer(error, location) from None
    try:
        return pull.run(found, Progress(say))
    except TransferError as error:
        raise Failed(str(error)) from None
