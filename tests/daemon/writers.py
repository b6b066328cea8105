"""Clients that write until the server goes away, and keep a ledger of what they were told."""

from __future__ import annotations

import os
import random
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.daemon.ledger import Ledger

LABELS = {"app": "ledger"}
NAMESPACE = "default"
FEW = 5  # below this nothing is deleted


@contextmanager
def connected(kubeconfig: Path) -> Iterator[Any]:
    """The Python client's ApiClient; its sockets are closed at the end, which it leaves to chance itself."""
    api = config.new_client_from_config(str(kubeconfig))
    try:
        yield api
    finally:
        api.rest_client.pool_manager.clear()
        api.close()


class Gone(Exception):
    """The server did not answer; what became of the write is unknown."""


class Writer(threading.Thread):
    """Takes one step after the other until the server is gone; `problem` is an answer that should not be."""

    def __init__(self, prefix: str, ledger: Ledger, seed: int) -> None:
        super().__init__(name=prefix)
        self.problem: BaseException | None = None
        self.stopped = threading.Event()
        self.prefix = prefix
        self.ledger = ledger
        self.random = random.Random(seed)
        self._number = seed * 1_000_000

    def run(self) -> None:
        try:
            with self.ready():
                while not self.stopped.is_set():
                    self.step()
        except Gone:
            pass
        except BaseException as problem:
            self.problem = problem

    def ready(self) -> AbstractContextManager[Any]:
        """What holds while it writes."""
        return nullcontext()

    def step(self) -> None:
        """One write."""
        there = self.ledger.names(self.prefix)
        kind = self.random.choice(("create", "patch", "delete")) if len(there) > FEW else "create"
        self._number += 1
        name = f"{self.prefix}-{self._number}" if kind == "create" else self.random.choice(there)
        value = None if kind == "delete" else str(self._number)
        with self.ledger.write(name, value):
            self.send(kind, name, value)

    def send(self, kind: str, name: str, value: str | None) -> None:
        """Send it, and return when it is acknowledged. Raises Gone."""
        raise NotImplementedError


class ConnectedWriter(Writer):
    """One that writes by the Python client, on one connection that stays."""

    def __init__(self, prefix: str, ledger: Ledger, seed: int, kubeconfig: Path) -> None:
        super().__init__(prefix, ledger, seed)
        self._kubeconfig = kubeconfig

    @contextmanager
    def ready(self) -> Iterator[None]:
        with connected(self._kubeconfig) as self.api:
            yield


class PythonWriter(ConnectedWriter):
    """ConfigMaps, by the Python client."""

    def send(self, kind: str, name: str, value: str | None) -> None:
        body = {"metadata": {"name": name, "labels": LABELS}, "data": {"value": value}}
        core = client.CoreV1Api(self.api)
        calls: dict[str, Any] = {
            "create": lambda: core.create_namespaced_config_map(NAMESPACE, body),
            "patch": lambda: core.patch_namespaced_config_map(name, NAMESPACE, body),
            "delete": lambda: core.delete_namespaced_config_map(name, NAMESPACE),
        }
        asked(calls[kind])


class KubectlWriter(Writer):
    """ConfigMaps, by kubectl: a process and a connection for each."""

    def __init__(self, prefix: str, ledger: Ledger, seed: int, kubeconfig: Path) -> None:
        super().__init__(prefix, ledger, seed)
        self._kubeconfig = kubeconfig

    def send(self, kind: str, name: str, value: str | None) -> None:
        if kind == "delete":
            arguments, stdin = ["delete", "configmap", name, "--wait=false"], ""
        else:
            arguments = ["apply", "-f", "-"]
            stdin = (
                f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels: {{app: ledger}}\n"
                f"data: {{value: '{value}'}}\n"
            )
        done = kubectl(self._kubeconfig, *arguments, stdin=stdin)
        if done.returncode == 0:
            return
        if "Error from server" in done.stderr:
            raise AssertionError(done.stderr)
        raise Gone(done.stderr)


class DeploymentWriter(ConnectedWriter):
    """How many Pods the Deployment `web` has, and its template, which makes them all be replaced."""

    def __init__(self, ledger: Ledger, seed: int, kubeconfig: Path) -> None:
        super().__init__("web", ledger, seed, kubeconfig)

    def step(self) -> None:
        self._number += 1
        if self.random.random() < 0.7:
            replicas = self.random.randint(1, 4)
            with self.ledger.write("web.replicas", str(replicas)):
                self._patch({"replicas": replicas})
        else:
            env = [{"name": "ROUND", "value": str(self._number)}]
            template = {"spec": {"containers": [{"name": "main", "env": env}]}}
            with self.ledger.write("web.round", str(self._number)):
                self._patch({"template": template})
        self.stopped.wait(0.2)  # as often as somebody quick would

    def _patch(self, spec: dict[str, Any]) -> None:
        apps = client.AppsV1Api(self.api)
        asked(lambda: apps.patch_namespaced_deployment("web", NAMESPACE, {"spec": spec}))


def kubectl(kubeconfig: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run kubectl, with its cache beside the kubeconfig."""
    cache = str(kubeconfig.with_name("kubectl-cache"))
    return subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "kubectl", "-n", NAMESPACE, *arguments],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": cache, "HOME": cache},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def asked(call: Any) -> Any:
    """Call the Python client. Raises Gone when nobody answered, ApiException for a refusal."""
    try:
        return call()
    except ApiException as refusal:
        if refusal.status:
            raise
        raise Gone from refusal
    except Exception as error:  # the client has many ways to say that the connection broke
        raise Gone(str(error)) from error
