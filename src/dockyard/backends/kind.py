"""The kind backend: a cluster whose nodes are containers of a Docker Engine, made by the program `kind`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from dockyard.backends import nodecut
from dockyard.backends.choice import Choice, forget, remember, remembered
from dockyard.backends.engine import Engine, default_host
from dockyard.backends.kubectl import Kubectl, write_private
from dockyard.backends.shipment import Shipment, load
from dockyard.backends.tool import ToolFailed, find, run
from dockyard.errors import UserError
from dockyard.home import Home
from dockyard.version import VERSION

CREATE_SECONDS = 900.0  # a first time downloads the nodes' image
COURSE_NAMESPACES = "app.kubernetes.io/managed-by=dockyard-course"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"

# Three nodes that take Pods, as the embedded cluster has; the control plane's taint is taken off below.
CONFIG = """kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
- role: worker
"""


class KindBackend:
    """One cluster: this home's own, unless another one is named, which is then used and never deleted."""

    name = "kind"
    has_cluster = True
    namespace = ""
    kept: tuple[str, ...] = ()

    def __init__(self, home: Home, choice: Choice) -> None:
        self.home = home
        self._choice = choice
        self.cluster = choice.cluster or f"dockyard-{home.digest}"
        self.docker_host = choice.docker_host or default_host(home)
        self._engine = Engine(home, self.docker_host, self.name)
        self._shipment = Shipment(home, self._engine, f"the nodes of kind's {self.cluster}")

    @property
    def kubeconfig(self) -> Path:
        """A file of our own; `kind` is never let near the learner's."""
        return self.home.root / "kubeconfig-kind"

    def up(self) -> dict[str, Any]:
        """Make the cluster unless it is there; returns once its nodes are Ready. Raises UserError."""
        kept = remembered(self.home)
        ours = kept is not None and kept.backend == self.name and kept.fits(self._choice)
        if ours and (state := self.status()) is not None:
            return state
        version = self._engine.version()
        self.home.prepare()
        made = ours and kept is not None and kept.made
        choice = replace(
            self._choice, backend=self.name, cluster=self.cluster, docker_host=self.docker_host, made=made
        )
        if self.cluster not in self._kind("get", "clusters", within=60).split():
            choice = replace(choice, made=True)
            self._shipment.forget()
            # Before it is made: whoever is killed in the middle still knows what `down` must remove.
            remember(self.home, choice)
            self._create()
        text = self._kind("get", "kubeconfig", "--name", self.cluster, within=60)
        write_private(self.kubeconfig, text)
        remember(self.home, choice)
        self._await_nodes()
        return self._state(version)

    def _create(self) -> None:
        arguments = ("create", "cluster", "--name", self.cluster, "--kubeconfig", str(self.kubeconfig))
        try:
            self._kind(*arguments, "--config", "-", "--wait", "180s", within=CREATE_SECONDS, text=CONFIG)
            self._open_control_plane()
        except BaseException:
            self._delete()
            forget(self.home)
            raise

    def _open_control_plane(self) -> None:
        """Let it take Pods, as the third of three nodes; a control plane without the taint does already."""
        kubectl = Kubectl(self.kubeconfig)
        for node in kubectl.json("get", "nodes", "-l", CONTROL_PLANE)["items"]:
            if any(taint["key"] == CONTROL_PLANE for taint in node["spec"].get("taints") or ()):
                kubectl("taint", "node", node["metadata"]["name"], f"{CONTROL_PLANE}:NoSchedule-")

    def _await_nodes(self) -> None:
        kubectl = Kubectl(self.kubeconfig)
        try:
            kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=180s", within=200)
        except ToolFailed as failed:
            raise UserError(
                f"the cluster {self.cluster} is there and its nodes are not Ready: {failed.said}",
                f"`docker ps -a` shows its nodes, {self.cluster}-...; `docker start` wakes stopped ones. "
                "Or anew: ./dockyard down && ./dockyard up --backend kind",
            ) from failed

    def down(self) -> None:
        """Delete the cluster if `up` made it; else the course's namespaces in it. Raises UserError."""
        if self._choice.made:
            self._delete()
        elif self.kubeconfig.exists():
            try:
                Kubectl(self.kubeconfig)(
                    "delete", "namespaces", "-l", COURSE_NAMESPACES, "--timeout=120s", within=150
                )
            except ToolFailed as failed:
                raise UserError(
                    f"the course's namespaces in {self.cluster} cannot be removed: {failed.said}",
                    f"If that cluster is gone: rm {self.home.choice}",
                ) from failed
        self._engine.clean()
        self._shipment.forget()
        self.kubeconfig.unlink(missing_ok=True)
        forget(self.home)

    def _delete(self) -> None:
        arguments = ("delete", "cluster", "--name", self.cluster, "--kubeconfig", str(self.kubeconfig))
        self._kind(*arguments, within=120)

    def status(self) -> dict[str, Any] | None:
        """Its state; None when engine or cluster don't answer."""
        if not self.kubeconfig.exists():
            return None
        try:
            return self._state(self._engine.version())
        except UserError:
            return None

    def _state(self, version: str) -> dict[str, Any]:
        kubectl = Kubectl(self.kubeconfig)
        server, nodes = kubectl.version(), kubectl.nodes()
        return {
            "backend": self.name,
            "driver": f"Kubernetes {server}, Docker Engine {version}",
            "docker_host": self.docker_host,
            "home": str(self.home.root),
            "version": VERSION,
            "pid": None,
            "cluster": self.cluster,
            "kubeconfig": str(self.kubeconfig),
            "nodes": nodes,
            "node_ready": "Ready" in nodes.values(),
        }

    def lacks(self, want: str) -> str:
        return ""

    def image(self, tag: str) -> str:
        return tag

    def deliver(self, tags: Sequence[str], say: Callable[[str], None]) -> None:
        def send(image: Any, tag: str) -> None:
            find("kind")

            def argv(archive: Path) -> Sequence[str]:
                return ("kind", "load", "image-archive", str(archive), "--name", self.cluster)

            load(self.home, image, tag, argv, self.docker_host)

        self._shipment.deliver(tags, send, say)

    def cut(self, namespace: str, selector: str) -> None:
        pods = Kubectl(self.kubeconfig).json("get", "pods", "-n", namespace, "-l", selector)["items"]
        addresses = [pod["status"]["podIP"] for pod in pods if pod["status"].get("podIP")]
        self._on_nodes(nodecut.cut_script(namespace, selector, addresses))

    def restore(self, namespace: str, selector: str) -> None:
        self._on_nodes(nodecut.restore_script(namespace, selector))

    def _on_nodes(self, script: str) -> None:
        """Run a shell script on each node. Raises UserError where it fails."""
        import docker

        names = self._kind("get", "nodes", "--name", self.cluster, within=60).split()
        with closing(self._engine.client()) as client:
            for name in names:
                try:
                    code, said = client.containers.get(name).exec_run(["sh", "-ec", script])
                except docker.errors.DockerException as error:
                    raise UserError(f"node {name} cannot be reached: {error}") from error
                if code:
                    raise UserError(f"node {name} refuses the fault: {said.decode(errors='replace').strip()}")

    def _kind(self, *arguments: str, within: float, text: str = "") -> str:
        # KUBECONFIG too: of some of its commands `kind` would write to the learner's file without it.
        env = {"DOCKER_HOST": self.docker_host, "KUBECONFIG": str(self.kubeconfig)}
        return run(["kind", *arguments], env=env, within=within, text=text)
