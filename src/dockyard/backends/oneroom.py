"""One namespace of somebody's cluster: taken when it is empty, and left as it was found."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dockyard.backends.kubectl import Kubectl, Manifest
from dockyard.backends.tool import ToolFailed
from dockyard.errors import UserError

HOME_LABEL = "dockyard.course/home"
OURS = {"app.kubernetes.io/managed-by": "dockyard-course"}
# Kinds and their resources. Somebody works where one of these is: the course would take it for its own.
WORK = {
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "CronJob": "cronjobs",
    "Job": "jobs",
    "ReplicaSet": "replicasets",
    "Pod": "pods",
    "Service": "services",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "PodDisruptionBudget": "poddisruptionbudgets",
}
# What an administrator, or the cluster itself, may have put there: it stays.
FURNITURE = {
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "ResourceQuota": "resourcequotas",
    "LimitRange": "limitranges",
    "NetworkPolicy": "networkpolicies",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
FORBIDDEN = ("default", "kube-system", "kube-public", "kube-node-lease")

_PATIENTLY = ("--ignore-not-found", "--timeout=120s")


class OneRoom:
    """What `up` and `down` do to the namespace; `home` tells this learner's from another's."""

    def __init__(self, kubectl: Kubectl, namespace: str, home: str) -> None:
        self._kubectl = kubectl
        self.name = namespace
        self._home = home

    def take(self) -> tuple[bool, tuple[str, ...]]:
        """Make it ours: whether it was made now or earlier by this home, and what is in it that must stay.

        Raises UserError when it belongs to somebody.
        """
        if self.name in FORBIDDEN:
            raise UserError(
                f"the namespace {self.name} is everybody's, and exercises empty theirs",
                "Name another one with --namespace; it is made if it isn't there.",
            )
        labels = self._labels()
        if labels is None:
            self._create()
            return True, self._furniture()
        if OURS.items() <= labels.items():
            if labels.get(HOME_LABEL) != self._home:
                raise UserError(
                    f"the namespace {self.name} belongs to another learner's course",
                    "Name one of your own: --namespace dockyard-YOURNAME",
                )
            return True, ()
        if work := self._names(WORK):
            raise UserError(
                f"the namespace {self.name} is in use: {', '.join(work[:5])}",
                "Exercises empty their namespace, so name one in which nothing runs: --namespace NAME",
            )
        return False, self._furniture()

    def _labels(self) -> dict[str, str] | None:
        """None when there is no such namespace; none for one that this user may work in and not look at."""
        try:
            found = self._kubectl.find("namespace", self.name)
        except ToolFailed as failed:
            if "(Forbidden)" not in failed.said:
                raise
            return {}
        return None if found is None else found["metadata"].get("labels") or {}

    def _create(self) -> None:
        labels = {**OURS, HOME_LABEL: self._home}
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.name, "labels": labels},
        }
        try:
            self._kubectl("create", "-f", "-", text=json.dumps(manifest))
        except ToolFailed as failed:
            raise UserError(
                f"the namespace {self.name} is not there and cannot be made: {failed.said}",
                "Name one that you were given: --namespace NAME",
            ) from failed

    def _furniture(self) -> tuple[str, ...]:
        return tuple(self._names(FURNITURE))

    def _names(self, kinds: Mapping[str, str]) -> list[str]:
        """`resource/name` of all that is there of those kinds."""
        try:
            items = self._kubectl.json("get", ",".join(kinds.values()), "-n", self.name)["items"]
        except ToolFailed as failed:
            if "(Forbidden)" not in failed.said:
                raise
            if len(kinds) == 1:
                return []  # kept from us, so nothing of it can become ours
            return [name for kind in kinds.items() for name in self._names(dict([kind]))]
        return [f"{kinds[item['kind']]}/{item['metadata']['name']}" for item in items if _stands(item)]

    def leave(self, *, made: bool, kept: tuple[str, ...]) -> None:
        """Remove the namespace if it was made, else all that has come into it. Raises ToolFailed."""
        if made:
            self._kubectl("delete", "namespace", self.name, *_PATIENTLY, within=150)
            return
        come = [name for name in self._names(WORK | FURNITURE) if name not in kept]
        if come:
            self._kubectl("delete", "-n", self.name, *_PATIENTLY, *come, within=150)


def _stands(item: Manifest) -> bool:
    """Whether it is there by itself: what has an owner goes with it."""
    return not item["metadata"].get("ownerReferences") and "deletionTimestamp" not in item["metadata"]
