"""kube-scheduler: filters the nodes, scores those that are left, binds the Pod, or makes room for it."""

from dockyard.cluster.scheduler.controller import Scheduler, controller

__all__ = ["Scheduler", "controller"]
