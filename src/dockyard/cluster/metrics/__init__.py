"""What metrics-server does: it asks the nodes what their Pods use, and offers it as metrics.k8s.io."""

from __future__ import annotations

from dockyard.cluster.metrics.readings import ContainerReading, PodReading, Readings

__all__ = ["ContainerReading", "PodReading", "Readings"]
