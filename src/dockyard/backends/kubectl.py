"""A cluster that somebody else runs, through kubectl and a kubeconfig of our own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dockyard.backends.tool import ToolFailed, run

Manifest = dict[str, Any]


class Kubectl:
    """kubectl with one kubeconfig; the learner's own is never read."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def __call__(self, *arguments: str, within: float = 30.0, text: str = "") -> str:
        """Its standard output. Raises ToolFailed."""
        argv = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        return run(argv, env={"KUBECONFIG": str(self.kubeconfig)}, within=within, text=text)

    def json(self, *arguments: str, within: float = 30.0) -> Manifest:
        """What it prints as JSON."""
        document: Manifest = json.loads(self(*arguments, "-o", "json", within=within))
        return document

    def find(self, *arguments: str) -> Manifest | None:
        """The object that `get ...` shows; None when there is none. Raises ToolFailed."""
        try:
            return self.json("get", *arguments)
        except ToolFailed as failed:
            if "(NotFound)" in failed.said:
                return None
            raise

    def denied(self, rights: Sequence[tuple[str, str, str]], namespace: str) -> list[int]:
        """Which of the rights (verb, group, resource or resource/subresource) this user has not, by position.

        Raises ToolFailed when nobody answers.
        """
        reviews = [_review(*right, namespace) for right in rights]
        text = "\n---\n".join(json.dumps(review) for review in reviews)
        said = self("create", "-f", "-", "-o", "json", "--validate=false", text=text).strip()
        answers: list[Manifest] = []
        while said:
            document, end = json.JSONDecoder().raw_decode(said)
            answers += document["items"] if document["kind"] == "List" else [document]
            said = said[end:].strip()
        return [at for at, answer in enumerate(answers) if not answer["status"]["allowed"]]

    def version(self) -> str:
        """The API server's version. Raises ToolFailed when it can't be reached."""
        document = json.loads(self("get", "--raw", "/version", "--request-timeout=10s", within=20))
        return str(document["gitVersion"])

    def nodes(self) -> dict[str, str]:
        """Each node's name, `Ready` or `NotReady`; empty for a user who may not look at them."""
        try:
            items = self.json("get", "nodes")["items"]
        except ToolFailed as failed:
            if "(Forbidden)" in failed.said:
                return {}
            raise
        return {item["metadata"]["name"]: _readiness(item) for item in items}


def _review(verb: str, group: str, resource: str, namespace: str) -> Manifest:
    kind, _, subresource = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": kind, "namespace": namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {**asked, "subresource": subresource}},
    }


def _readiness(node: Manifest) -> str:
    conditions = node.get("status", {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return "Ready" if ready else "NotReady"


def write_private(path: Path, text: str) -> None:
    """Write the file as a whole, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
