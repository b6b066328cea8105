"""Where this machine's pip finds packages, handed to uv, which doesn't read pip's configuration."""

from __future__ import annotations

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
            # pip adds up what several sections list, and lets the last one win where there can be only one.
            settings[name] = settings.get(name, []) + words
    wanted = {
        "UV_DEFAULT_INDEX": settings.get("index-url", [])[-1:],
        "UV_INDEX": settings.get("extra-index-url", []),
        "UV_FIND_LINKS": settings.get("find-links", []),
        "UV_NO_INDEX": settings.get("no-index", [])[-1:],
        "UV_INSECURE_HOST": settings.get("trusted-host", []),
        "SSL_CERT_FILE": settings.get("cert", [])[-1:],
        "ALL_PROXY": settings.get("proxy", [])[-1:],
    }
    answer = dict(environ)
    for name, values in wanted.items():
        if values and name not in answer:
            answer[name] = " ".join(dict.fromkeys(values))
    # An index without the locked version must not hide one that has it; the hashes protect.
    answer.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    answer["UV_NO_PROGRESS"] = "1"
    return answer
