"""Makes a release: decides what every machine shall run from now on."""

import docker


def pin(tag: str) -> str:
    """A version that nobody will ever give to another image."""
    repository = tag.rpartition(":")[0]
    docker.from_env().images.get(tag).tag(repository, "1.0.0")
    return f"{repository}:1.0.0"
