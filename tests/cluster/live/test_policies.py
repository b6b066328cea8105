"""NetworkPolicies on real connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Kubectl
from tests.deadline import eventually

# A dropped connection is one that isn't answered in this time.
ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])).close()
    print("open")
except TimeoutError:
    print("dropped")
"""
LOOK_UP = """
import socket, sys
try:
    print(socket.gethostbyname(sys.argv[1]))
except OSError:
    print("unknown")
"""
CLIENT = ("--image=python:3.12-slim", "--restart=Never", "--command", "--", "sleep", "600")
DENY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
"""
ALLOW = """
  ingress:
  - from: [{podSelector: {matchLabels: {role: client}}}]
    ports: [{port: http}]
"""
SILENCE = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: silence}
spec:
  podSelector: {matchLabels: {role: client}}
  policyTypes: [Egress]
"""
ALLOW_DNS = """
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{port: 53, protocol: UDP}]
"""


@pytest.fixture(scope="module", autouse=True)
def pods(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", str(Path(__file__).parent / "manifests" / "web.yaml"))
    for name in ("client", "stranger"):
        kubectl("run", name, f"--labels=role={name}", *CLIENT)
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("wait", "pod", "client", "stranger", "--for=condition=Ready", "--timeout=60s")


def outcome(kubectl: Kubectl, name: str, seconds: float = 5) -> str:
    done = kubectl.run("exec", name, "--", "python", "-c", ASK, "web", "80", str(seconds))
    return done.stdout.strip() or done.stderr


def test_ingress_is_denied_and_allowed_by_label_and_named_port(kubectl: Kubectl) -> None:
    eventually(
        lambda: outcome(kubectl, "stranger") == "open", "without a policy everybody gets in", seconds=30
    )
    kubectl("apply", "-f", "-", stdin=DENY)
    eventually(lambda: outcome(kubectl, "client", 0.3) == "dropped", "nobody gets in")
    assert kubectl("get", "deployment", "web", "-o", "jsonpath={.status.availableReplicas}") != "", (
        "probes pass"
    )
    kubectl("apply", "-f", "-", stdin=DENY + ALLOW)
    eventually(lambda: outcome(kubectl, "client") == "open", "who is named gets in")
    assert outcome(kubectl, "stranger", 0.3) == "dropped"
    kubectl("delete", "networkpolicy", "web")
    eventually(lambda: outcome(kubectl, "stranger") == "open", "the policy has gone")


def test_egress_is_denied_with_the_names_until_dns_is_allowed(kubectl: Kubectl) -> None:
    def look_up() -> str:
        name = f"web.{kubectl.namespace}.svc.cluster.local"
        asked = ("exec", "client", "--", "timeout", "1", "python", "-c", LOOK_UP, name)
        return kubectl.run(*asked).stdout.strip()

    address = kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    assert look_up() == address
    kubectl("apply", "-f", "-", stdin=SILENCE)
    eventually(lambda: look_up() in ("", "unknown"), "no name is found without DNS")
    kubectl("apply", "-f", "-", stdin=SILENCE + ALLOW_DNS)
    eventually(lambda: look_up() == address, "names are found again")
    ask = ("exec", "client", "--", "python", "-c", ASK, address, "80", "0.3")
    assert kubectl(*ask).strip() == "dropped", "a name alone doesn't help"
    kubectl("delete", "networkpolicy", "silence")
