"""What an image is, and what can be wrong with one."""

from dataclasses import dataclass
from typing import Any

# What `created` says inside every image that is made here. The moment of a build is kept beside the image, or
# no build could ever give the same image twice.
EPOCH = "1970-01-01T00:00:00Z"

ImageConfig = dict[str, Any]


class ImageNotFound(KeyError):
    """No such image, and no stand-in for it either. `str()` is the real engine's message."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return f"No such image: {self.reference}"


class ImageInUse(ValueError):
    """The image can't be removed as asked. The message is the real engine's."""


@dataclass(frozen=True)
class Image:
    """`config` is the OCI image configuration (https://github.com/opencontainers/image-spec, config.md)."""

    id: str
    config: ImageConfig
    layers: tuple[str, ...]  # diff ids, lowest first
    repo_tags: tuple[str, ...]
    size: int  # bytes in the files of all layers
    created: float  # unix seconds of the last time it was made
    parent: str = ""  # the image of the step before, when it was built here
    repo_digests: tuple[str, ...] = ()  # the names it has in registries, `repository@sha256:...`
    tagged: float | None = None  # unix seconds of the last time it was given a name here
