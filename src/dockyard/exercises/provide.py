"""Provides the images that a lesson names: built from course/apps, and only when something changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from dockyard.backends import Backend
from dockyard.exercises.answers import files_in
from dockyard.exercises.command import CommandFailed
from dockyard.exercises.lesson import Lesson

LABEL = "dockyard.source"


def fingerprint(folder: Path) -> str:
    """One digest over the names and contents of a folder's files."""
    whole = hashlib.sha256()
    for relative in files_in(folder):
        whole.update(f"{relative}\0".encode() + hashlib.sha256((folder / relative).read_bytes()).digest())
    return whole.hexdigest()[:16]


def provide_on(backend: Backend, lesson: Lesson, say: Callable[[str], None]) -> None:
    """Build the lesson's images and bring them to where its Pods run. Raises CommandFailed, UserError."""
    provide(lesson, backend.docker_host, say)
    if lesson.needs_cluster and lesson.images:
        backend.deliver(tuple(lesson.images), say)


def provide(lesson: Lesson, docker_host: str, say: Callable[[str], None]) -> list[str]:
    """Build what is missing or older than its folder; the tags built. Raises CommandFailed."""
    if not lesson.images:
        return []
    import docker

    built: list[str] = []
    try:
        client = docker.DockerClient(base_url=docker_host, timeout=300)
        for tag, folder in lesson.images.items():
            source = fingerprint(folder)
            try:
                if client.images.get(tag).labels.get(LABEL) == source:
                    continue
            except docker.errors.ImageNotFound:
                pass  # the first time
            say(f"building {tag} from course/{folder.relative_to(lesson.folder.parent)}")
            client.images.build(path=str(folder), tag=tag, rm=True, labels={LABEL: source})
            built.append(tag)
        client.close()
    except docker.errors.BuildError as error:
        tail = "".join(line.get("stream", "") for line in error.build_log)[-800:]
        raise CommandFailed(f"{tag} cannot be built: {error}\n{tail}") from error
    except (docker.errors.DockerException, TypeError, OSError) as error:
        raise CommandFailed(f"the lesson's images cannot be built: {error}") from error
    return built
