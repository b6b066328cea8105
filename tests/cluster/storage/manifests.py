"""Small claims, volumes and classes."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def claim(name: str = "data", size: str = "64Mi", **spec: Any) -> Manifest:
    """A claim of the default class, unless `storageClassName` says otherwise."""
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}} | spec,
    }


def volume(name: str, size: str = "1Gi", **spec: Any) -> Manifest:
    """A volume of no class that keeps its data."""
    source = {} if "local" in spec else {"hostPath": {"path": f"/srv/{name}"}}
    return {
        "metadata": {"name": name, "labels": spec.pop("labels", {})},
        "spec": {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]} | source | spec,
    }


def storage_class(name: str, **fields: Any) -> Manifest:
    """A class that provisions when the first Pod is scheduled."""
    return {
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/host-path",
        "volumeBindingMode": "WaitForFirstConsumer",
    } | fields


def user(name: str, claim_name: str = "data", **volume: Any) -> Manifest:
    """A Pod that has the claim at /data."""
    source = {"persistentVolumeClaim": {"claimName": claim_name} | volume}
    mounts = [{"name": "v", "mountPath": "/data"}]
    main = {"name": "main", "image": "app:v1", "command": ["serve"], "volumeMounts": mounts}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [main], "volumes": [{"name": "v"} | source]},
    }
