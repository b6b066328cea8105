"""Images as the recorder's were: half an hour old, in its order, and without the label of a stand-in."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from typing import Any

_ORDER = ("postgres:15", "busybox:latest", "python:3.12-slim")
"""Newest first."""


def as_recorded(saved: bytes) -> bytes:
    """Return an archive of images with their times and labels changed, as `docker load` takes it."""
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        files = {member.name: _content(archive, member) for member in archive if member.isfile()}
    entries = json.loads(files["manifest.json"])
    kept: dict[str, bytes] = {}
    for entry in entries:
        place = next(place for place, tag in enumerate(_ORDER) if tag in entry["RepoTags"])
        made = (datetime.now(UTC) - timedelta(minutes=30, seconds=place)).isoformat()
        document: dict[str, Any] = json.loads(files[entry["Config"]])
        document["created"] = made
        for step in document["history"]:
            step["created"] = made
        labels = document["config"].get("Labels") or {}
        own = {name: value for name, value in labels.items() if not name.startswith("org.dockyard.")}
        document["config"]["Labels"] = own or None
        config = json.dumps(document).encode()
        entry["Config"] = f"{hashlib.sha256(config).hexdigest()}.json"
        kept[entry["Config"]] = config
        kept.update({layer: files[layer] for layer in entry["Layers"]})
    kept["manifest.json"] = json.dumps(entries).encode()
    made_of = io.BytesIO()
    with tarfile.open(fileobj=made_of, mode="w") as archive:
        for name, content in kept.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return made_of.getvalue()


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()
