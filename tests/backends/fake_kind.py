"""A program that plays `kind`: it notes how it is called, and its cluster is the one that is handed to it.

Usage: python fake_kind.py STATE ARGUMENTS...; STATE is a folder with `kubeconfig`, and gets `calls.jsonl`.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from pathlib import Path


def main(state: Path, arguments: list[str]) -> int:
    text = sys.stdin.read() if "-" in arguments else ""
    note = {"argv": arguments, "text": text, "docker": os.environ.get("DOCKER_HOST")}
    clusters = state / "clusters"
    known = clusters.read_text().split() if clusters.exists() else []
    name = arguments[arguments.index("--name") + 1] if "--name" in arguments else ""
    said, code = "", 0
    match arguments[:2]:
        case ["version", *_]:
            said = "kind v0.32.0 go1.26 linux/amd64"
        case ["get", "clusters"]:
            said = "\n".join(known)
        case ["create", "cluster"]:
            known.append(name)
            # As kind does: the file that is named, and only without one that of the environment.
            Path(arguments[arguments.index("--kubeconfig") + 1]).write_text(
                (state / "kubeconfig").read_text()
            )
            code = 1 if (state / "fails").exists() else 0
        case ["get", "kubeconfig"]:
            said = (state / "kubeconfig").read_text()
        case ["load", "image-archive"]:
            with tarfile.open(arguments[2]) as archive:
                note["tags"] = json.loads(archive.extractfile("manifest.json").read())[0]["RepoTags"]  # type: ignore[union-attr]
        case ["delete", "cluster"]:
            known = [each for each in known if each != name]
        case _:
            code = 2
    clusters.write_text("\n".join(known))
    with (state / "calls.jsonl").open("a") as file:
        file.write(json.dumps(note) + "\n")
    print(said if not code else "ERROR: failed to create cluster", file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
