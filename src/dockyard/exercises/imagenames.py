"""The course's own images under the names that a cluster pulls them by, in the manifests of an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dockyard.backends import Backend
from dockyard.exercises.lesson import Lesson

_IMAGE = re.compile(r"""^([ \t-]*(?:[{,][^\n]*?)?\bimage:[ \t]*["']?)([^\s"',}#]+)""", re.MULTILINE)


def names_on(backend: Backend, lesson: Lesson) -> dict[str, str]:
    """Built name -> the cluster's name, for those that differ: with a registry all, otherwise none."""
    names = {tag: backend.image(tag) for tag in lesson.images}
    return {tag: name for tag, name in names.items() if tag != name}


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A manifest with the images of its containers renamed; nothing else, comments included, changes."""
    return _IMAGE.sub(lambda found: found[1] + names.get(found[2], found[2]), text)


def rename_in(folder: Path, names: Mapping[str, str]) -> None:
    """Rename in every manifest below the folder. Files that are no text stay as they are."""
    if not names:
        return
    for path in (*folder.rglob("*.yaml"), *folder.rglob("*.yml")):
        try:
            before = path.read_text()
        except UnicodeDecodeError:
            continue
        if (after := renamed(before, names)) != before:
            path.write_text(after)
