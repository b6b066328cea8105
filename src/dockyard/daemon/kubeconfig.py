"""The home's own kubeconfig; the learner's ~/.kube/config is never read and never written."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from dockyard.wire.tls import Pki

CLUSTER = "dockyard"
USER = "kubernetes-admin"
GROUP = "system:masters"


def write(path: Path, pki: Pki, port: int) -> None:
    """Write the file for an API server on 127.0.0.1:`port`, as a whole and readable by its owner only.

    Certificates are inside, as kubeadm writes them, so the file works when it is copied elsewhere.
    """
    client = pki.client("admin", USER, (GROUP,))
    text = f"""apiVersion: v1
kind: Config
clusters:
- name: {CLUSTER}
  cluster:
    certificate-authority-data: {_encoded(pki.ca_certificate)}
    server: https://127.0.0.1:{port}
contexts:
- name: {CLUSTER}
  context:
    cluster: {CLUSTER}
    user: {USER}
current-context: {CLUSTER}
preferences: {{}}
users:
- name: {USER}
  user:
    client-certificate-data: {_encoded(client.certificate)}
    client-key-data: {_encoded(client.key)}
"""
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
