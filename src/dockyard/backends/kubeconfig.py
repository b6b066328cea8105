"""The kubeconfig backend: a context of somebody's cluster, inside one namespace."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from dockyard.backends.choice import Choice, forget, remember, remembered
from dockyard.backends.engine import Engine, default_host
from dockyard.backends.kubectl import Kubectl, write_private
from dockyard.backends.oneroom import OneRoom
from dockyard.backends.shipment import Shipment, load, push
from dockyard.backends.tool import ToolFailed, run
from dockyard.errors import EXIT_USAGE, UserError
from dockyard.home import Home
from dockyard.version import VERSION

NAMESPACE = "dockyard"
# What some exercise wants, and the right that it takes.
RIGHTS = {"nodes": ("list", "", "nodes"), "quotas": ("create", "", "resourcequotas")}
NEEDED = (
    ("create", "", "pods"),
    ("create", "apps", "deployments"),
    ("create", "", "services"),
    ("create", "", "configmaps"),
    ("get", "", "pods/log"),
)
_LACKING = {
    "namespaces": "the backend `kubeconfig` keeps to its one namespace, {namespace}",
    "cut": "Pods are cut off on their nodes, and the nodes of the backend `kubeconfig` are somebody else's; "
    "a NetworkPolicy may leave open connections alone",
    "nodes": "this user may not list the cluster's nodes",
    "quotas": "this user may not create ResourceQuotas in {namespace}",
}


class KubeconfigBackend:
    """A client of one namespace. Nothing else of the cluster is touched, nothing of the learner's file."""

    name = "kubeconfig"
    has_cluster = True

    def __init__(self, home: Home, choice: Choice) -> None:
        self.home = home
        self._choice = choice
        self.namespace = choice.namespace or NAMESPACE
        self.docker_host = choice.docker_host or default_host(home)
        self._engine = Engine(home, self.docker_host, self.name)
        where = choice.registry or f"the nodes of {choice.context}"
        self._shipment = Shipment(home, self._engine, where)

    @property
    def kept(self) -> tuple[str, ...]:
        return self._choice.kept

    @property
    def kubeconfig(self) -> Path:
        """A copy of the one context, with the namespace set."""
        return self.home.root / "kubeconfig-context"

    @property
    def _room(self) -> OneRoom:
        return OneRoom(Kubectl(self.kubeconfig), self.namespace, self.home.digest)

    def up(self) -> dict[str, Any]:
        """Copy the context, and make the namespace unless it is there. Raises UserError."""
        kept = remembered(self.home)
        ours = kept is not None and kept.backend == self.name and kept.fits(self._choice)
        if ours and (state := self.status()) is not None:
            return state
        if self._choice.registry and self._choice.load_command:
            raise UserError(
                "images come by a registry or by a command, not by both", "Name one of them.", code=EXIT_USAGE
            )
        self.home.prepare()
        choice = replace(
            self._choice,
            backend=self.name,
            namespace=self.namespace,
            docker_host=self.docker_host,
            context=self._copy_context(),
        )
        try:
            choice = self._moved_in(choice, anew=not ours)
        except BaseException:
            self.kubeconfig.unlink()
            raise
        self._choice = choice
        remember(self.home, choice)
        return self._state()

    def _moved_in(self, choice: Choice, *, anew: bool) -> Choice:
        """The choice with what was found out and made. Raises UserError, and then nothing was made."""
        try:
            Kubectl(self.kubeconfig).version()
        except ToolFailed as failed:
            raise UserError(
                f"the cluster of context {choice.context} does not answer: {failed.said}",
                "`kubectl --context NAME version` says more.",
            ) from failed
        choice = replace(choice, lacking=self._missing_rights())
        if anew:
            made, kept = self._room.take()
            choice = replace(choice, made=made, kept=kept)
            self._shipment.forget()
        return choice

    def _copy_context(self) -> str:
        """Write our own kubeconfig, with the one context in it; that context's name. Raises UserError."""
        env = {"KUBECONFIG": self._choice.source} if self._choice.source else {}
        context = self._choice.context
        try:
            if not context:
                names = run(["kubectl", "config", "get-contexts", "-o", "name"], env=env, within=30).split()
                if len(names) != 1 or not self._choice.source:
                    raise UserError(
                        "which context? The course never takes one that it wasn't told",
                        f"Name it with --context; there are {', '.join(names) or 'none'}.",
                        code=EXIT_USAGE,
                    )
                context = names[0]
            view = ["kubectl", "config", "view", "--minify", "--flatten", "--raw", "-o", "json"]
            document = json.loads(run([*view, "--context", context], env=env, within=30))
        except ToolFailed as failed:
            raise UserError(
                failed.said.removeprefix("error: "),
                "`kubectl config get-contexts` lists them.",
            ) from failed
        document["contexts"][0]["context"]["namespace"] = self.namespace
        write_private(self.kubeconfig, json.dumps(document, indent=1) + "\n")
        return context

    def _missing_rights(self) -> tuple[str, ...]:
        """What exercises may want and this user can't have. Raises UserError when Pods aren't allowed."""
        asked = (*NEEDED, *RIGHTS.values())
        denied = [asked[at] for at in Kubectl(self.kubeconfig).denied(asked, self.namespace)]
        if needed := [right for right in denied if right in NEEDED]:
            words = ", ".join(f"{verb} {resource}" for verb, _, resource in needed)
            raise UserError(
                f"this user may not {words} in the namespace {self.namespace}",
                "Ask for the ClusterRole `admin` there: kubectl create rolebinding NAME --clusterrole=admin "
                f"--user=USER -n {self.namespace}",
            )
        return tuple(want for want, right in RIGHTS.items() if right in denied)

    def down(self) -> None:
        """Remove the namespace if `up` made it, else what has come into it since. Raises UserError."""
        if self.kubeconfig.exists():
            try:
                self._room.leave(made=self._choice.made, kept=self._choice.kept)
            except ToolFailed as failed:
                raise UserError(
                    f"the namespace {self.namespace} cannot be cleared: {failed.said}",
                    f"If the cluster is gone: rm {self.home.choice}",
                ) from failed
        try:
            self._engine.clean()
        except UserError:
            pass  # there may never have been one: only images of the course need it
        self._shipment.forget()
        self.kubeconfig.unlink(missing_ok=True)
        forget(self.home)

    def status(self) -> dict[str, Any] | None:
        """Its state; None when the cluster doesn't answer."""
        if not self.kubeconfig.exists():
            return None
        try:
            return self._state()
        except UserError:
            return None

    def _state(self) -> dict[str, Any]:
        kubectl = Kubectl(self.kubeconfig)
        server, nodes = kubectl.version(), kubectl.nodes()
        try:
            engine = f"Docker Engine {self._engine.version()}"
        except UserError:
            engine = f"no Docker Engine at {self.docker_host}"
        return {
            "backend": self.name,
            "driver": f"Kubernetes {server}, {engine}",
            "docker_host": self.docker_host,
            "home": str(self.home.root),
            "version": VERSION,
            "pid": None,
            "context": self._choice.context,
            "namespace": self.namespace,
            "kubeconfig": str(self.kubeconfig),
            "nodes": nodes,
            "node_ready": True,
        }

    def lacks(self, want: str) -> str:
        if want in RIGHTS and want not in self._choice.lacking:
            return ""
        return _LACKING.get(want, "").format(namespace=self.namespace)

    def image(self, tag: str) -> str:
        """The name under which the nodes pull an image of the course."""
        return f"{self._choice.registry}/{tag}" if self._choice.registry else tag

    def deliver(self, tags: Sequence[str], say: Callable[[str], None]) -> None:
        """By the registry, or by the command that was named. Raises UserError when there is neither."""
        if not self._choice.registry and not self._choice.load_command:
            raise UserError(
                f"{', '.join(tags)} must get to the nodes of {self._choice.context}, and there is no way",
                "Name one, after ./dockyard down: --registry registry.example.com/team, or --load-command "
                "'k3s ctr images import {archive}'.",
            )

        def send(image: Any, tag: str) -> None:
            if self._choice.registry:
                push(self.home, image.client, image, self.image(tag))
            else:
                load(self.home, image, tag, self._load_argv, self.docker_host)

        self._shipment.deliver(tags, send, say)

    def _load_argv(self, archive: Path) -> Sequence[str]:
        """`{archive}` in the command is a shell word that names the file, as `$archive` is."""
        return ("sh", "-ec", self._choice.load_command.replace("{archive}", '"$archive"'))

    def cut(self, namespace: str, selector: str) -> None:
        self._cannot_cut()

    def restore(self, namespace: str, selector: str) -> None:
        pass  # nothing is ever cut here

    def _cannot_cut(self) -> NoReturn:
        raise UserError(self.lacks("cut"), "The backends `embedded` and `kind` can.")
