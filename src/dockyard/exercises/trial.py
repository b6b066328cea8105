"""A trial: what a check holds in its hands while it judges one answer on the live system."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from dockyard.backends import Backend
from dockyard.clients import docker_settings
from dockyard.exercises import command
from dockyard.exercises.call import call
from dockyard.exercises.claims import Claims, Stop
from dockyard.exercises.command import CommandFailed, run
from dockyard.exercises.composed import Project
from dockyard.exercises.containers import Build, Containers, Running
from dockyard.exercises.evidence import Evidence
from dockyard.exercises.exercise import ANSWER, Exercise
from dockyard.exercises.faults import Cut, Faults
from dockyard.exercises.happenings import Happenings
from dockyard.exercises.live import Live, Manifest, Manifests
from dockyard.exercises.load import Generator, Load, LoadFailed, LocalGenerator, PodGenerator
from dockyard.exercises.places import stage_on
from dockyard.exercises.record import Record
from dockyard.exercises.traffic import Request
from dockyard.exercises.verdict import OUT_OF_REACH


class OutOfTime(Exception):
    """The check's stated time is over before it could judge everything."""


class Trial:
    """One judgement of one answer. course/README.md shows how checks use it."""

    def __init__(
        self,
        exercise: Exercise,
        *,
        backend: Backend,
        answers: Path,
        namespace: str,
        evidence: Evidence,
        faults: Faults,
        deadline: float,
        say: Callable[[str], None],
    ) -> None:
        self.exercise = exercise
        self.backend = backend
        self.answers = answers
        self.namespace = namespace
        self.evidence = evidence
        self.claims = Claims(exercise.claims)
        self.live = Live(namespace, backend.kubeconfig)
        self.stage = stage_on(backend, namespace)
        self.seen = Record(self.live, on_change=lambda change: evidence.add("changes", change.as_dict()))
        self.containers = Containers(backend, namespace)
        self.token = secrets.token_hex(8)
        self._faults = faults
        self._deadline = deadline  # of time.monotonic()
        self._say = say
        self.notes: list[str] = []  # what was measured and belongs beside the verdict, whatever it is
        self._loads = 0

    # Judging

    def expect(
        self, claim: str, holds: object, *, observed: str = "", expected: str = "", hint: str = ""
    ) -> bool | None:
        """Record whether a claim holds; None when it can't be judged. Goes on either way."""
        truth = None if holds is None else bool(holds)
        word = {True: "true", False: "FALSE", None: "not judged"}[truth]
        self.say(f"{word}: {self.exercise.claims.get(claim, claim)}")
        return self.claims.decide(claim, truth, observed, expected, hint)

    def require(
        self, claim: str, holds: object, *, observed: str = "", expected: str = "", hint: str = ""
    ) -> None:
        """Like `expect`; when it doesn't hold the trial ends here, and what is left counts as not judged."""
        if not self.expect(claim, holds, observed=observed, expected=expected, hint=hint):
            raise Stop(claim)

    def cannot(self, claim: str, because: str) -> None:
        """Say that this backend can't judge a claim, and why."""
        self.expect(claim, None, observed=f"{OUT_OF_REACH}: {because}")

    # Time

    def say(self, what: str) -> None:
        """Show progress."""
        self.evidence.add("steps", {"t": round(time.time(), 3), "say": what})
        self._say(what)

    @property
    def remaining(self) -> float:
        """Seconds of the stated time that are left."""
        return self._deadline - time.monotonic()

    def _out_of_time(self) -> NoReturn:
        raise OutOfTime(f"the check's {self.exercise.seconds:.0f} s are over")

    def wait(self, seconds: float) -> None:
        """Let time pass on the live system; watching and load go on. Raises OutOfTime."""
        if seconds > self.remaining:
            time.sleep(max(0.0, self.remaining))
            self._out_of_time()
        time.sleep(seconds)

    def until(self, fact: Callable[[], Any], within: float = 10.0, every: float = 0.1) -> Any:
        """Call `fact` until it is true; its value, or the last false one after `within` seconds.

        Raises OutOfTime only when the check's own time is over first.
        """
        end = time.monotonic() + within
        while True:
            value = fact()
            if value or time.monotonic() >= end:
                return value
            if self.remaining <= 0:
                self._out_of_time()
            time.sleep(min(every, max(0.0, end - time.monotonic())))

    # The cluster

    def pods(self, selector: str = "") -> Manifests:
        """The namespace's Pods that aren't being deleted."""
        return self.live.pods(selector)

    def get(self, kind: str, name: str) -> Manifest | None:
        return self.live.get(kind, name)

    def list(self, kind: str, selector: str = "") -> Manifests:
        return self.live.list(kind, selector)

    def is_ready(self, pod: Manifest) -> bool:
        return self.live.is_ready(pod)

    def available(self, deployment: str, within: float = 30.0) -> bool:
        """Whether the Deployment's newest template gets rolled out and available in that time."""
        self.say(f"waiting for {deployment} to become available (up to {within:.0f} s)")
        return bool(self.until(lambda: self.live.is_available(deployment), within))

    def kubectl(self, *arguments: str, text: str = "", within: float = 30.0) -> str:
        """Run kubectl in the namespace. Raises CommandFailed with its error."""
        limit = min(within, max(1.0, self.remaining))
        return self.stage.kubectl(*arguments, within=limit, cwd=self.answers, text=text)

    def apply(self, *files: str) -> str:
        """`kubectl apply` files of the answer. Raises CommandFailed."""
        return self.stage.apply(
            self.answers, [Path(name) for name in files], min(30.0, max(1.0, self.remaining))
        )

    def image(self, tag: str) -> str:
        """The name by which the cluster knows an image of the lesson: `orders:2`, or that in a registry."""
        return self.backend.image(tag)

    def sh(self, file: str, **env: str) -> str:
        """Run a shell script of the answer, `$ns` being the namespace; its output. Raises CommandFailed."""
        self.say(f"sh {file}")
        known = {"KUBECONFIG": str(self.backend.kubeconfig), "ns": self.namespace, **env}
        limit = min(60.0, max(1.0, self.remaining))
        return command.run(["sh", "-e", file], env=known, within=limit, cwd=self.answers)

    # Load and faults

    def load(self, url: str, rate: float = 10.0, *, ns: str = "", **options: Any) -> Load:
        """Open-loop load for a `with`: `seconds`, `count`, `timeout`, `method`, `body`, `headers`,
        or `connections`: so many are kept open and take turns.

        It comes from the exercise's namespace, or from another one, `ns`, that is there already.
        """
        self._loads += 1
        name = f"requests-{self._loads}"
        self.evidence.add(name, {"url": url, "rate": rate})
        if not options.get("count"):
            self.say(f"load: {rate:g} requests a second to {url}")
        return Load(
            self._generator(ns, patience=float(options.get("timeout", 5.0)) + 1),
            url,
            rate=rate,
            on_request=lambda request: self.evidence.add(name, request.__dict__),
            **options,
        )

    def _generator(self, ns: str, patience: float) -> Generator:
        if self.exercise.on != "cluster":
            return LocalGenerator()
        live = Live(ns, self.backend.kubeconfig) if ns else self.live
        return PodGenerator(live, patience=patience)

    def request(
        self, url: str, *, method: str = "GET", timeout: float = 5.0, body: str = "", ns: str = ""
    ) -> Request:
        """One request from where the load runs. Raises LoadFailed if it could not even be sent."""
        load = self.load(url, count=1, method=method, timeout=timeout, body=body, ns=ns)
        with load:
            load.collect(1, within=timeout + 5)
        if not load.requests:
            raise LoadFailed(f"the request to {url} left no trace")
        return load.requests[0]

    @contextmanager
    def cut(self, selector: str) -> Iterator[Cut]:
        """Cut the Pods that match off from the network while the block runs."""
        self.say(f"cutting {selector} off from the network")
        with self._faults.cut(self.namespace, selector) as cut:
            yield cut
        self.say(f"{selector} is back on the network after {cut.end - cut.start:.0f} s")

    @contextmanager
    def node(self, memory: str) -> Iterator[str]:
        """A node with so much memory of its own (`512Mi`) while the block runs; its name.

        It has the taint dockyard.course/added. "" where the backend can't make nodes.
        """
        with self._faults.node(self.namespace, memory) as name:
            self.say(
                f"added the node {name} with {memory} of memory" if name else "no node can be added here"
            )
            yield name

    # The engine, and plain functions

    @property
    def docker(self) -> Any:
        """A docker SDK client. What you create through it yourself, remove yourself."""
        return self.containers.client

    def build(self, folder: str = ".", tag: str = "answer", **options: Any) -> Build:
        """Build a folder of the answer; removed when the trial ends. Raises CommandFailed."""
        self.say(f"building {folder}")
        name = tag if ":" in tag else f"{self.namespace}:{tag}"
        return self.containers.build(self.answers / folder, name, **options)

    def start(self, image: str, port: int = 8000, **options: Any) -> Running:
        """Run a container, its `port` published; removed when the trial ends. Raises CommandFailed."""
        return self.containers.start(image, port, **options)

    def script(self, file: str, port: int = 8000, **env: str) -> Running:
        """Run a shell script of the answer that starts a container; `env` is added to its environment.

        The container whose id it prints last is removed when the trial ends. Raises CommandFailed.
        """
        self.say(f"sh {file}")
        limit = min(30.0, max(1.0, self.remaining))
        return self.containers.script(self.answers / file, port, within=limit, env=env)

    @property
    def project(self) -> str:
        """The name of this trial's Compose project: not the learner's own, nor that of another home."""
        return f"{self.namespace}-trial-{self.backend.home.digest}"

    def compose(self, folder: str = ".", **env: str) -> Project:
        """The Compose project of a folder of the answer, `env` being for its `${...}`; removed at the end."""
        return Project(
            self.project,
            self.answers / folder,
            docker_host=self.backend.docker_host,
            client=self.docker,
            env={**docker_settings(self.backend.home), **env},
        )

    def happenings(self) -> Happenings:
        """The engine's events of this trial's Compose project, for a `with`."""
        return Happenings(self.backend.docker_host, self.project)

    def shell(self, file: str, *arguments: str, within: float = 60.0) -> tuple[int, str]:
        """Run a shell script of the answer, $ns being the namespace; its exit code and what it said.

        Raises CommandFailed when it doesn't end in that time.
        """
        self.say(f"sh {file} {' '.join(arguments)}")
        env = {"KUBECONFIG": str(self.backend.kubeconfig), "ns": self.namespace}
        limit = min(within, max(1.0, self.remaining))
        try:
            return 0, run(["sh", file, *arguments], env=env, within=limit, cwd=self.answers)
        except CommandFailed as failed:
            if failed.code is None:
                raise
            return failed.code, str(failed)

    def call(self, file: str, function: str, *arguments: Any, within: float = 20.0) -> Any:
        """Call a function of the answer in a process of its own, JSON in and out. Raises CommandFailed."""
        env = {"KUBECONFIG": str(self.backend.kubeconfig), "DOCKER_HOST": self.backend.docker_host}
        limit = min(within, max(1.0, self.remaining))
        return call(self.answers, file, function, arguments, env=env, within=limit)

    def accepted(self, holds: bool, observed: str, hint: str = "") -> None:
        """Decide the claim that every exercise begins with."""
        if holds:
            self.claims.decide(ANSWER, True, observed)
        else:
            self.require(ANSWER, False, observed=observed, hint=hint)
