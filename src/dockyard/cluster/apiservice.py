"""The Service `kubernetes`: where Pods find the API server."""

from __future__ import annotations

from dockyard.cluster.api import Api
from dockyard.cluster.store import Manifest

_SLICE_LABELS = {"kubernetes.io/service-name": "kubernetes"}


def announce(api: Api, address: str, port: int) -> None:
    """Make the endpoints of `kubernetes` in the namespace default lead to `address`:`port`."""
    ports = [{"name": "https", "protocol": "TCP", "port": port}]
    endpoints = [{"addresses": [address], "conditions": {"ready": True}}]
    _put(
        api,
        "EndpointSlice",
        {
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": _SLICE_LABELS},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": ports,
        },
    )
    _put(
        api,
        "Endpoints",
        {
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
        },
    )


def _put(api: Api, kind: str, wanted: Manifest) -> None:
    existing = api.find(kind, "kubernetes", "default")
    if existing is None:
        api.create(kind, wanted, namespace="default")
    else:
        api.update(kind, existing | {key: value for key, value in wanted.items() if key != "metadata"})
