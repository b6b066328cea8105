"""Where this machine's pip finds packages, handed to uv, which doesn't read pip's configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping


def uv_environment(listing: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv that says what `listing` (the output of `pip config list`) says to pip.

    Mirrors, proxies and certificates of a company are configured for pip; without this uv would go elsewhere.
    What is set for uv already stays.
    """
    settings: dict[str, list[str]] = {}
    for line in listing.splitlines():
        key, separator, value = line.partition("=")
        if separator:
            name = key.rpartition(".")[2].replace("_", "-")
            words = value.strip().strip("'\"").replace("\\n", " ").split()
            # Sections are listed from general to special; pip adds up lists and lets the last single value win.
            settings[name] = settings.get(name, []) + words
    wanted = {
        "UV_DEFAULT_INDEX": settings.get("index-url", [])[-1:],
        "UV_INDEX": settings.get("extra-index-url", []),
        "UV_FIND_LINKS": settings.get("find-links", []),
        "UV_INSECURE_HOST": settings.get("trusted-host", []),
        "SSL_CERT_FILE": settings.get("cert", [])[-1:],
        "ALL_PROXY": settings.get("proxy", [])[-1:],
    }
    answer = dict(environ)
    for name, values in wanted.items():
        if values and name not in answer:
            answer[name] = " ".join(dict.fromkeys(values))
    # An index that lists a package without the locked version must not hide the one that has it; hashes protect.
    answer.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    # Copies work across file systems, where hard links don't, and without a warning.
    answer["UV_NO_PROGRESS"] = "1"
    return answer
