"""Defaults of the kinds that make Pods (pkg/apis/apps/v1/defaults.go, pkg/apis/batch/v1/defaults.go)."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.defaults.pods import default_template

Manifest = dict[str, Any]

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def default_deployment(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def default_replicaset(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)


def default_replication_controller(obj: Manifest) -> None:
    default_replicaset(obj)
    labels = obj["spec"]["template"]["metadata"].get("labels") or {}
    if labels:
        obj["spec"].setdefault("selector", dict(labels))
        if not obj.setdefault("metadata", {}).get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def default_statefulset(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    default_template(spec)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["kind"], claim["apiVersion"] = "PersistentVolumeClaim", "v1"
        claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        claim["status"] = {"phase": "Pending"}


def default_daemonset(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    default_template(spec)
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    metadata = obj.setdefault("metadata", {})
    if not metadata.get("annotations"):
        metadata["annotations"] = {}
    metadata["annotations"].setdefault(TEMPLATE_GENERATION, "1")


def count_template_changes(new: Manifest, old: Manifest) -> None:
    """Number a DaemonSet's templates in an annotation, whatever a client sends for it."""
    number = int(old["metadata"].get("annotations", {}).get(TEMPLATE_GENERATION, "1"))
    changed = new["spec"]["template"] != old["spec"]["template"]
    annotations = new["metadata"].setdefault("annotations", {})
    annotations[TEMPLATE_GENERATION] = str(number + 1 if changed else number)


def default_job(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    # With a limit for each index, the one for the whole Job is out of the way: MaxInt32.
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault(
        "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    )
    explicit = "restartPolicy" in ((spec.get("template") or {}).get("spec") or {})
    default_template(spec)
    if not explicit:
        # Always is the Pods' default, and wrong for a Job: the validation says so.
        spec["template"]["spec"]["restartPolicy"] = "Always"
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for condition in rule.get("onPodConditions") or ():
            condition.setdefault("status", "True")


def default_cronjob(obj: Manifest) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    default_template(template.setdefault("spec", {}))


def default_pod_template(obj: Manifest) -> None:
    default_template(obj)
