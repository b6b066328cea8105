"""Which form of an answer a client accepts."""

from __future__ import annotations

from enum import Enum

from dockyard.cluster.errors import NotAcceptable

_OFFERED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")


class Form(Enum):
    """The whole object, a Table of rows for humans, or only metadata."""

    OBJECT = "object"
    TABLE = "table"
    METADATA = "metadata"


def choose(accept: str) -> Form:
    """The first form in an Accept header that is ours. Raises NotAcceptable.

    Answers are JSON, or YAML where that comes first; a client that prefers protobuf names JSON too.
    """
    if not accept:
        return Form.OBJECT
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        wanted = dict(parameter.partition("=")[::2] for parameter in parameters)
        if media in ("application/json", "application/yaml", "application/*", "*/*"):
            if wanted.get("as") == "Table" and wanted.get("g") == "meta.k8s.io":
                return Form.TABLE
            if wanted.get("as") in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return Form.METADATA
            if "as" not in wanted:
                return Form.OBJECT
    available = ", ".join((*_OFFERED, *_STREAMS))
    raise NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {available}", {})
