"""What `doctor` learns of somebody's engine or cluster: what is missing, and how to get it."""

from __future__ import annotations

import shlex
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator

from dockyard.backends import Choice, DockerBackend, KindBackend, KubeconfigBackend, open_backend
from dockyard.backends.engine import Engine
from dockyard.backends.kubectl import Kubectl
from dockyard.backends.tool import ToolFailed, find, run, search_path
from dockyard.cli._checks import Finding
from dockyard.errors import UserError
from dockyard.exercises.exercise import WANTS
from dockyard.home import Home

METRICS = "/apis/metrics.k8s.io/v1beta1/nodes"
GET_METRICS = (
    "`kubectl top` and autoscaling need it: kubectl apply -f https://github.com/kubernetes-sigs/metrics-server/"
    "releases/latest/download/components.yaml"
)
ON_KIND = "; on kind its Deployment also needs the argument --kubelet-insecure-tls"
GET_DOCKER = (
    "Install Docker Engine 25 or newer (docs.docker.com/engine/install), or name one: --docker-host URL"
)


def examine_backend(home: Home, choice: Choice) -> Iterator[Finding]:
    """Findings about a backend that is not the embedded one, whether it is up or only thought of."""
    backend = open_backend(choice, home)
    yield from engine(Engine(home, backend.docker_host, backend.name), needed=backend.name != "kubeconfig")
    if isinstance(backend, DockerBackend):
        return
    assert isinstance(backend, KindBackend | KubeconfigBackend)
    if isinstance(backend, KindBackend):
        yield from kind()
    else:
        yield from images(choice)
    if not backend.kubeconfig.exists():
        yield Finding("cluster", "warn", "not up", f"./dockyard up --backend {backend.name}")
        return
    yield from cluster(Kubectl(backend.kubeconfig), on_kind=backend.name == "kind")
    lacking = [reason for want in WANTS if (reason := backend.lacks(want))]
    for reason in lacking:
        advice = "Exercises that need it say so, and are not judged."
        yield Finding(f"backend {backend.name}", "warn", reason, advice)


def engine(found: Engine, *, needed: bool) -> Iterator[Finding]:
    """The Docker Engine, which builds the course's images."""
    try:
        yield Finding("Docker Engine", "ok", f"{found.version()} at {found.host}")
    except UserError as error:
        yield Finding("Docker Engine", "bad" if needed else "warn", error.message, GET_DOCKER)


def kind() -> Iterator[Finding]:
    """The program that makes the cluster."""
    try:
        said = run(["kind", "version"], env={}, within=20).strip()
        yield Finding("kind", "ok", f"{said} ({find('kind')})")
    except UserError as error:
        advice = error.advice or "Try it in a terminal: kind version"
        yield Finding("kind", "bad", error.message, advice)


def images(choice: Choice) -> Iterator[Finding]:
    """The way of the course's images to the nodes."""
    if choice.load_command:
        program = next((word for word in shlex.split(choice.load_command) if "=" not in word), "")
        if shutil.which(program, path=search_path()):
            yield Finding("images", "ok", f"brought by: {choice.load_command}")
        else:
            advice = "It is the command's first word: install it, or name another command with `up`."
            yield Finding("images", "bad", f"there is no `{program}` on the PATH", advice)
    elif choice.registry:
        yield from registry(choice.registry)
    else:
        advice = (
            "Lesson 00 does without. Name a registry that the nodes can pull from (--registry PREFIX; for "
            "trying out: docker run -d -p 5000:5000 registry:3), or a command (--load-command)."
        )
        yield Finding("images", "warn", "no way to bring them to the nodes", advice)


def registry(prefix: str) -> Iterator[Finding]:
    """Whether somebody answers there as registries do; one that wants a login answers 401."""
    host = prefix.partition("/")[0]
    failure = ""
    for scheme in ("https", "http"):
        try:
            with urllib.request.urlopen(f"{scheme}://{host}/v2/", timeout=5) as answer:
                said = f"HTTP {answer.status}"
        except urllib.error.HTTPError as error:
            with error:
                said = f"HTTP {error.code}"
            if error.code != 401:
                failure = failure or said
                continue
        except (OSError, ValueError) as error:
            failure = failure or str(error)
            continue
        yield Finding("registry", "ok", f"{prefix}: {said} by {scheme}")
        return
    advice = "Push and pull need it: is the name right, and does it run? For a login: docker login."
    yield Finding("registry", "bad", f"{host} does not answer as a registry: {failure}", advice)


def cluster(kubectl: Kubectl, *, on_kind: bool) -> Iterator[Finding]:
    """The API server, the nodes as far as they may be seen, and metrics-server."""
    try:
        yield Finding("cluster", "ok", f"Kubernetes {kubectl.version()}")
        nodes = kubectl.nodes()
    except ToolFailed as failed:
        yield Finding("cluster", "bad", failed.said, "./dockyard up says more.")
        return
    away = [name for name, state in nodes.items() if state != "Ready"]
    if away:
        yield Finding("nodes", "warn", f"not Ready: {', '.join(away)}", "kubectl describe node says why.")
    else:
        yield Finding("nodes", "ok", f"{len(nodes)} Ready" if nodes else "not to be looked at")
    try:
        kubectl("get", "--raw", METRICS)
        yield Finding("metrics-server", "ok", "there")
    except ToolFailed as failed:
        if "(Forbidden)" in failed.said or "forbidden" in failed.said:
            yield Finding("metrics-server", "ok", "there, and not for this user to ask about all nodes")
        else:
            yield Finding("metrics-server", "warn", "missing", GET_METRICS + (ON_KIND if on_kind else ""))
