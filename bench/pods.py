"""A thousand Pods that do nothing: from `kubectl apply` of their Deployment to all Ready, and to none."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from kubernetes import client, config, watch

from bench.memory import pss
from bench.place import daemon_pid, home, kubectl, timed, with_kubeconfig
from bench.rows import Row, main

PODS = 1000
PART = PODS // 4  # of which the first and the last are compared
SECONDS = 120
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle}
spec:
  replicas: %d
  selector: {matchLabels: {app: idle}}
  template:
    metadata: {labels: {app: idle}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: busybox, command: [sleep, "1000000"]}
"""


class Readiness:
    """When a Deployment had how many Pods Ready, by a watch: to ask again and again would cost a part."""

    def __init__(self, kubeconfig: str) -> None:
        self._api = client.AppsV1Api(config.new_client_from_config(kubeconfig))
        self.seen: list[tuple[float, int]] = []

    def follow(self, wanted: int) -> None:
        """Until so many are Ready. Raises TimeoutError."""
        self.seen = []
        changes = watch.Watch().stream(
            self._api.list_namespaced_deployment,
            "default",
            field_selector="metadata.name=idle",
            timeout_seconds=SECONDS,
        )
        for change in changes:
            self.seen.append((time.perf_counter(), change["object"].status.ready_replicas or 0))
            if self.seen[-1][1] >= wanted:
                return
        raise TimeoutError(f"{self.seen[-1][1]} of {wanted} Pods are Ready after {SECONDS} s")

    def at(self, count: int) -> float:
        """The first moment with so many Ready."""
        return next(moment for moment, ready in self.seen if ready >= count)


def measure(rounds: int) -> list[Row]:
    """One platform; each round applies and deletes all Pods."""
    ready: list[float] = []
    first: list[float] = []
    last: list[float] = []
    gone: list[float] = []
    daemon: list[float] = []
    with home() as environ:
        timed(environ, "up")
        environ = with_kubeconfig(environ)
        readiness = Readiness(environ["KUBECONFIG"])

        def clear() -> None:
            kubectl(environ, "delete", "deployment", "idle", "--cascade=foreground", f"--timeout={SECONDS}s")

        kubectl(
            environ, "apply", "-f", "-", stdin=MANIFEST % 1
        )  # the image is unpacked before the clock starts
        readiness.follow(1)
        clear()
        for _ in range(rounds):
            started = time.perf_counter()
            kubectl(environ, "apply", "-f", "-", stdin=MANIFEST % PODS)
            readiness.follow(PODS)
            ready.append(readiness.at(PODS) - started)
            first.append((readiness.at(PART) - started) / PART * 1000)
            last.append((readiness.at(PODS) - readiness.at(PODS - PART)) / PART * 1000)
            daemon.append(pss(daemon_pid(environ)))
            started = time.perf_counter()
            clear()
            gone.append(time.perf_counter() - started)
    return [
        Row(f"kubectl apply to {PODS} Pods Ready", "s", ready, 10.0, "busybox, no probes, one process each"),
        Row(f"of it a Pod of the first {PART}", "ms", first, None, "with kubectl's own time"),
        Row(f"of it a Pod of the last {PART}", "ms", last, None),
        Row(f"kubectl delete to none of {PODS} left", "s", gone, None, "grace period 1 s"),
        Row(f"the daemon's memory with {PODS} Pods", "MB", daemon, None, "PSS"),
    ]


if __name__ == "__main__":
    main(measure, __doc__, rounds=3)
