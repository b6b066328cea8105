"""From a container in a Pod's spec to a running process: image, environment, mounts, user, limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dockyard.cluster.node.container import Container
from dockyard.cluster.node.env import ConfigError, environment, expand
from dockyard.cluster.node.ports import Image, Process
from dockyard.cluster.node.pull import PullError, explain_absence
from dockyard.cluster.node.services import Node
from dockyard.cluster.node.volumes import Volumes
from dockyard.cluster.quantity import cores, whole
from dockyard.cluster.store import Manifest
from dockyard.runtime.images import ImageNotFound
from dockyard.runtime.references import InvalidReference
from dockyard.runtime.spec import ContainerSpec, Limits, Mount, ProcessSpec


@dataclass(frozen=True)
class Prepared:
    """A container's whole description, and what its later processes (exec) take over from it."""

    spec: ContainerSpec
    stop_signal: str
    termination_log: Path


async def obtain_image(node: Node, pod: Manifest, container: Container) -> Image:
    """The image by the pull policy, with the kubelet's Events. Raises PullError."""
    image = container.spec["image"]
    policy = container.spec.get("imagePullPolicy", "IfNotPresent")
    where = container.field_path
    try:
        present = node.runtime.images.find(image)
    except InvalidReference as error:
        message = (
            f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}'
        )
        node.report(pod, "Warning", "InspectFailed", message, where)
        raise PullError("InvalidImageName", message) from error
    if present is not None and policy != "Always":
        message = f'Container image "{image}" already present on machine and can be accessed by the pod'
        node.report(pod, "Normal", "Pulled", message, where)
        return present
    if policy == "Never":
        message = f'Container image "{image}" is not present with pull policy of Never'
        node.report(pod, "Warning", "ErrImageNeverPull", message, where)
        raise PullError("ErrImageNeverPull", message)
    node.report(pod, "Normal", "Pulling", f'Pulling image "{image}"', where)
    started = node.clock.monotonic()
    try:
        # Differs: `Always` is content with the image of this machine, because there is no registry to ask.
        found = present or await node.in_thread(node.runtime.images.resolve, image)
    except ImageNotFound as error:
        failure = await explain_absence(image)
        node.report(pod, "Warning", "Failed", f'Failed to pull image "{image}": {failure.message}', where)
        raise failure from error
    took = f"{max(1, round((node.clock.monotonic() - started) * 1000))}ms"
    node.report(
        pod,
        "Normal",
        "Pulled",
        f'Successfully pulled image "{image}" in {took} ({took} including waiting). '
        f"Image size: {found.size} bytes.",
        where,
    )
    return found


async def prepare(
    node: Node, pod: Manifest, container: Container, image: Image, volumes: Volumes, container_id: str
) -> Prepared:
    """The description of the container to run. Raises ConfigError."""
    spec, config = container.spec, image.config.get("config") or {}
    image_env = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    env = environment(node.api, pod, spec, volumes.pod_ip, image_env)
    hostname = str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]
    env.setdefault("HOSTNAME", hostname)
    argv = _argv(spec, config, env)
    user = _user(pod, spec, config)
    container.user, container.group = _ids(user)
    directory = node.directory(pod) / "containers" / container.name
    directory.mkdir(parents=True, exist_ok=True)
    termination_log = directory / f"{container.restarts}.termination"
    termination_log.write_bytes(b"")
    termination_log.chmod(0o666)
    mounts = volumes.mounts(pod, spec, env)
    path = spec.get("terminationMessagePath") or "/dev/termination-log"
    mounts += (Mount(path, termination_log),)
    security = spec.get("securityContext") or {}
    capabilities = security.get("capabilities") or {}
    snapshots = node.runtime.snapshots
    if snapshots.is_quick:
        rootfs = snapshots.prepare(container_id, image)
    else:
        rootfs = await node.in_thread(snapshots.prepare, container_id, image)
    described = ContainerSpec(
        id=container_id,
        rootfs=rootfs,
        process=ProcessSpec(
            argv=argv,
            env=env,
            cwd=spec.get("workingDir") or config.get("WorkingDir") or "/",
            user=user,
            tty=bool(spec.get("tty")),
            stdin=bool(spec.get("stdin")),
        ),
        sandbox=pod["metadata"]["uid"],
        hostname=hostname,
        mounts=mounts,
        limits=_limits(spec),
        read_only=bool(security.get("readOnlyRootFilesystem")),
        cap_drop=tuple(capabilities.get("drop") or ()),
        cap_add=tuple(capabilities.get("add") or ()),
        hosts=tuple(
            (alias["ip"], name)
            for alias in pod["spec"].get("hostAliases") or ()
            for name in alias.get("hostnames") or ()
        ),
    )
    return Prepared(described, config.get("StopSignal") or "SIGTERM", termination_log)


async def run(node: Node, prepared: Prepared) -> Process:
    """Start it. Raises StartError."""
    return await node.runtime.run(prepared.spec)


def _argv(spec: Manifest, config: Manifest, env: dict[str, str]) -> tuple[str, ...]:
    # `command` replaces the entrypoint and then the image's own arguments no longer apply.
    if spec.get("command"):
        argv = [*spec["command"], *(spec.get("args") or ())]
    else:
        entrypoint = config.get("Entrypoint") or []
        argv = [*entrypoint, *(spec["args"] if spec.get("args") else config.get("Cmd") or ())]
    if not argv:
        raise ConfigError("no command specified")
    written = bool(spec.get("command"))
    return tuple(expand(a, env) if written or spec.get("args") else a for a in argv)


def _user(pod: Manifest, spec: Manifest, config: Manifest) -> str:
    security = {**(pod["spec"].get("securityContext") or {}), **(spec.get("securityContext") or {})}
    user = str(security["runAsUser"]) if "runAsUser" in security else str(config.get("User") or "")
    name = user.partition(":")[0]
    if security.get("runAsNonRoot"):
        where = f'pod: "{pod["metadata"]["name"]}_{pod["metadata"]["namespace"]}({pod["metadata"]["uid"]})", '
        where += f"container: {spec['name']}"
        if "runAsUser" in security and name == "0":
            raise ConfigError(f"container's runAsUser breaks non-root policy ({where})")
        if name in ("", "0", "root"):
            raise ConfigError(f"container has runAsNonRoot and image will run as root ({where})")
        if not name.isdigit():
            raise ConfigError(
                f"container has runAsNonRoot and image has non-numeric user ({name}), "
                f"cannot verify user is non-root ({where})"
            )
    if "runAsGroup" in security:
        user = f"{name or '0'}:{security['runAsGroup']}"
    return user


def _ids(user: str) -> tuple[int, int]:
    name, _, group = user.partition(":")
    uid = int(name) if name.isdigit() else 0
    return uid, int(group) if group.isdigit() else 0


def _limits(spec: Manifest) -> Limits:
    limits = (spec.get("resources") or {}).get("limits") or {}
    return Limits(
        memory=whole(limits["memory"]) if "memory" in limits else None,
        cpus=cores(limits["cpu"]) if "cpu" in limits else None,
    )
