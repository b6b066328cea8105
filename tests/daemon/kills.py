"""The daemon is killed at random moments while clients write: what was acknowledged has to be there again.

python -m tests.daemon.kills --kills 200 [--seed N]     200 times, in a home of its own
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client

from dockyard.cli._processes import Identity, alive, descendants
from dockyard.home import Home
from tests.daemon.ledger import Ledger
from tests.daemon.writers import (
    NAMESPACE,
    DeploymentWriter,
    KubectlWriter,
    PythonWriter,
    Writer,
    connected,
    kubectl,
)
from tests.deadline import eventually

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: busybox, command: [sleep, "100000"], env: [{name: ROUND, value: "0"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
LONGEST_LIFE, LONGEST_START = 1.0, 0.6  # seconds from a start to the kill
AT_START = 0.2  # of the kills hit a daemon that isn't ready yet
UNREST = 0.4  # of the kills come before the cluster has converged after the one before

logger = logging.getLogger(__name__)


@dataclass
class Outcome:
    """What a series of kills came to; times in seconds."""

    kills: int = 0
    at_start: int = 0
    writes: int = 0
    unknown: int = 0
    lost: list[str] = field(default_factory=list)
    left: int = 0
    restarts: list[float] = field(default_factory=list)
    converged: list[float] = field(default_factory=list)


class Killing:
    """One platform, its clients, and whoever kills it. All random choices come from the seed."""

    def __init__(self, home: Home, seed: int) -> None:
        self._home = home
        self._random = random.Random(seed)
        self._ledger = Ledger()
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Start, kill that often, and see each time what is there. AssertionError at the first loss."""
        self._up()
        kubectl(self._home.kubeconfig, "apply", "-f", "-", stdin=WEB).check_returncode()
        self._ledger.settle(self._found())
        self._converge()
        while self.outcome.kills < kills:
            family = self._kill_while_clients_write()
            if self._random.random() < AT_START and self.outcome.kills < kills:
                family |= self._kill_while_it_starts()
            self.outcome.restarts.append(self._up())
            found = self._found()
            self.outcome.lost += self._ledger.lost(found)
            assert not self.outcome.lost, f"after kill {self.outcome.kills}: {self.outcome.lost}"
            self._ledger.settle(found)
            self._all_gone(family)
            logger.info("%d kills, %d writes acknowledged", self.outcome.kills, self._ledger.writes)
            if self._random.random() >= UNREST or self.outcome.kills == kills:
                self.outcome.converged.append(self._converge())
        self.outcome.writes, self.outcome.unknown = self._ledger.writes, self._ledger.unknown_writes
        return self.outcome

    # -- killing

    def _kill_while_clients_write(self) -> set[Identity]:
        kubeconfig = self._home.kubeconfig
        ledger, seeds = self._ledger, [self.outcome.kills * 10 + number for number in range(4)]
        writers: list[Writer] = [
            PythonWriter("one", ledger, seeds[0], kubeconfig),
            PythonWriter("two", ledger, seeds[1], kubeconfig),
            KubectlWriter("kubectl", ledger, seeds[2], kubeconfig),
            DeploymentWriter(ledger, seeds[3], kubeconfig),
        ]
        for writer in writers:
            writer.start()
        time.sleep(self._random.uniform(0, LONGEST_LIFE))  # not a wait: the moment is what is random
        family = self._kill(self._pid())
        for writer in writers:
            writer.stopped.set()
            writer.join(timeout=60)
            assert not writer.is_alive(), f"{writer.name} hangs"
            if writer.problem is not None:
                raise AssertionError(f"{writer.name} was refused") from writer.problem
        return family

    def _kill_while_it_starts(self) -> set[Identity]:
        before = self._pid()
        starting = subprocess.Popen(
            self._command("up"), env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # The file and not the lock: whoever tries the lock could keep the daemon from having it.
        pid = eventually(lambda: found if (found := self._pid()) != before else 0, "a daemon starts")
        time.sleep(self._random.uniform(0, LONGEST_START))
        family = self._kill(pid)
        starting.wait(timeout=60)
        self.outcome.at_start += 1
        return family

    def _kill(self, pid: int) -> set[Identity]:
        family = descendants(pid)
        os.kill(pid, signal.SIGKILL)
        self.outcome.kills += 1
        return family

    def _pid(self) -> int:
        text = self._home.lock_file.read_text().strip()
        return int(text) if text.isdigit() else 0

    # -- looking

    def _up(self) -> float:
        started = time.monotonic()
        done = subprocess.run(
            self._command("up"),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return time.monotonic() - started

    def down(self) -> None:
        """Stop the platform, if it runs."""
        subprocess.run(self._command("down"), env=self._environment, capture_output=True, check=False)

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"DOCKYARD_HOME": str(self._home.root)}

    def _command(self, name: str) -> list[str]:
        return [sys.executable, "-P", "-m", "dockyard", name]

    def _found(self) -> dict[str, str]:
        """All that the ledger is about."""
        with connected(self._home.kubeconfig) as api:
            core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
            maps = core.list_namespaced_config_map(NAMESPACE, label_selector="app=ledger").items
            spec = apps.read_namespaced_deployment("web", NAMESPACE).spec
        (env,) = spec.template.spec.containers[0].env
        return {
            **{item.metadata.name: item.data["value"] for item in maps},
            "web.replicas": str(spec.replicas),
            "web.round": env.value,
        }

    def _converge(self) -> float:
        """Until the Deployment has exactly the Pods that it should, and its Service leads to just those."""
        started = time.monotonic()
        eventually(self._is_converged, "the Deployment converges")
        return time.monotonic() - started

    def _is_converged(self) -> bool:
        with connected(self._home.kubeconfig) as api:
            return self._are_as_wanted(api)

    @staticmethod
    def _are_as_wanted(api: Any) -> bool:
        core = client.CoreV1Api(api)
        deployment = client.AppsV1Api(api).read_namespaced_deployment("web", NAMESPACE)
        wanted, status = deployment.spec.replicas, deployment.status
        if status.observed_generation != deployment.metadata.generation:
            return False
        if {status.replicas, status.updated_replicas, status.available_replicas} != {wanted}:
            return False
        pods = core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items
        if len(pods) != wanted or any(pod.metadata.deletion_timestamp for pod in pods):
            return False
        slices = client.DiscoveryV1Api(api).list_namespaced_endpoint_slice(
            NAMESPACE, label_selector="kubernetes.io/service-name=web"
        )
        ready = [
            address
            for found in slices.items
            for endpoint in found.endpoints or ()
            if endpoint.conditions.ready
            for address in endpoint.addresses
        ]
        return sorted(ready) == sorted(pod.status.pod_ip for pod in pods)

    def _all_gone(self, family: Iterable[Identity]) -> None:
        """No process of a killed daemon is left."""
        try:
            eventually(lambda: not alive(family), "the processes of the killed daemon are gone", 20)
        except AssertionError:
            self.outcome.left += len(alive(family))
            raise


def main() -> int:
    """Kill, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its clients are cut off here all the time
    logger.info("seed %d", options.seed)
    with tempfile.TemporaryDirectory(prefix="dockyard-kills-", ignore_cleanup_errors=True) as directory:
        killing = Killing(Home(Path(directory) / "home"), options.seed)
        try:
            outcome = killing.run(options.kills)
        finally:
            killing.down()
    print(
        f"{outcome.kills} kills, {outcome.at_start} of them while it started; {outcome.writes} writes "
        f"acknowledged, {outcome.unknown} unknown, {len(outcome.lost)} lost; {outcome.left} processes left; "
        f"longest restart {max(outcome.restarts):.2f} s; converged {len(outcome.converged)} times, "
        f"the longest in {max(outcome.converged):.2f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
