"""What `RUN --mount=...` says: a directory that is there while the command runs and not in its layer.

Reference: https://docs.docker.com/reference/dockerfile/#run---mount
"""

import csv
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

_KEYS = {
    "target": ("target", "dst", "destination"),
    "source": ("source", "src"),
    "read_only": ("ro", "readonly"),
    "writable": ("rw", "readwrite"),
}
_NAMES = {alias: name for name, aliases in _KEYS.items() for alias in aliases}
_KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
_ALLOWED = {
    "bind": {"target", "source", "from", "read_only", "writable"},
    "cache": {
        "target", "source", "from", "read_only", "writable", "id", "sharing", "mode", "uid", "gid",
    },
    "tmpfs": {"target", "size"},
}  # fmt: skip
_SIZES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


@dataclass(frozen=True)
class RunMount:
    """One mount; `target`, `source`, `origin` (another stage or image) and `id` may hold variables."""

    kind: str  # bind, cache, tmpfs, secret or ssh
    target: str = ""
    source: str = ""
    origin: str = ""
    id: str = ""
    sharing: str = "shared"  # of a cache: shared, private or locked
    read_only: bool = True
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int | None = None  # of a tmpfs, in bytes

    def expanded(self, expand: Callable[[str], str], directory: str) -> "RunMount":
        """With variables replaced and a target that is absolute, as seen from the working `directory`."""
        target = posixpath.normpath(posixpath.join(directory, expand(self.target)))
        return replace(
            self,
            target=target,
            source=expand(self.source),
            origin=expand(self.origin),
            id=expand(self.id) or target,
        )


def read_mount(text: str) -> RunMount:
    """Read the value of the flag. Raises ValueError with what is wrong."""
    fields: dict[str, str] = {}
    for field in next(csv.reader([text]), []):
        name, equals, value = field.partition("=")
        name = _NAMES.get(name.lower(), name.lower())
        if not equals and name not in ("read_only", "writable"):
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        fields[name] = value
    kind = fields.pop("type", "bind")
    if kind not in _KINDS:
        raise ValueError(f'unsupported mount type "{kind}"')
    if kind not in _ALLOWED:
        return RunMount(kind)
    for name in fields:
        if name not in _ALLOWED[kind]:
            raise ValueError(f"unexpected key '{name}' for mount type '{kind}'")
    if not fields.get("target"):
        raise ValueError(f"target is required for mount type '{kind}'")
    sharing = fields.get("sharing") or "shared"
    if sharing not in ("shared", "private", "locked"):
        raise ValueError(f'unsupported sharing value "{sharing}"')
    return RunMount(
        kind,
        target=fields["target"],
        source=fields.get("source", ""),
        origin=fields.get("from", ""),
        id=fields.get("id", ""),
        sharing=sharing,
        read_only=_is_read_only(kind, fields),
        mode=_number(fields, "mode", 0o755, 8),
        uid=_number(fields, "uid", 0, 10),
        gid=_number(fields, "gid", 0, 10),
        size=_size(fields.get("size", "")),
    )


def _is_read_only(kind: str, fields: dict[str, str]) -> bool:
    answer = kind == "bind"
    for name, meaning in (("read_only", True), ("writable", False)):
        if name in fields:
            value = fields[name].lower()
            if value not in ("", "true", "false", "1", "0"):
                raise ValueError(f"invalid value for {name}: {fields[name]}")
            answer = meaning if value in ("", "true", "1") else not meaning
    return answer


def _number(fields: dict[str, str], name: str, default: int, base: int) -> int:
    text = fields.get(name, "")
    if not text:
        return default
    if not re.fullmatch("[0-7]{1,5}" if base == 8 else "[0-9]{1,10}", text):
        raise ValueError(f"invalid value {text} for {name}")
    return int(text, base)


def _size(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,15})([bkmg]?)b?", text.lower())
    if text and match is None:
        raise ValueError(f"invalid value for size: {text}")
    return int(match[1]) * _SIZES[match[2]] if match else None
