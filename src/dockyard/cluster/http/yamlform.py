"""Answers in YAML, for the few clients that ask for it: the JSON answer in other clothes."""

from __future__ import annotations

import json

from dockyard.wire.headers import header_pairs
from dockyard.wire.http import Response

_JSON, _YAML = "application/json", "application/yaml"


def wants_yaml(accept: str) -> bool:
    """Whether YAML is the first form in an Accept header."""
    return accept.partition(",")[0].partition(";")[0].strip() == _YAML


def in_yaml(answer: Response) -> Response:
    """The same answer as YAML; anything but JSON stays as it is."""
    pairs = header_pairs(answer.headers)
    if not answer.body or (_JSON not in (value for _, value in pairs)):
        return answer
    import yaml  # loaded by the few requests that need it

    text: str = yaml.safe_dump(json.loads(answer.body), allow_unicode=True, width=10**6)
    headers = [(name, _YAML if value == _JSON else value) for name, value in pairs]
    return Response(answer.status, headers, text.encode())
