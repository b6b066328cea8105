"""One run of a container: start, postStart, probes, end; and its stop: preStop, SIGTERM, grace, SIGKILL."""

from __future__ import annotations

import asyncio
import shutil
import signal
from typing import TYPE_CHECKING

from dockyard.cluster.node import launch
from dockyard.cluster.node.commands import HookError, run_hook
from dockyard.cluster.node.container import CRASH_LOOP, Container
from dockyard.cluster.node.env import ConfigError
from dockyard.cluster.node.logfiles import log_path, prune
from dockyard.cluster.node.podsetup import target
from dockyard.cluster.node.ports import ExitStatus, Image, Process
from dockyard.cluster.node.prober import READINESS, STARTUP
from dockyard.cluster.node.probing import probers_of
from dockyard.cluster.node.pull import PullError, full_reference
from dockyard.cluster.store import Manifest
from dockyard.runtime.errors import RuntimeFailure, StartError
from dockyard.runtime.logs import LogFile

if TYPE_CHECKING:
    from dockyard.cluster.node.worker import PodWorker

CONTAINERD = "containerd://"
# The first words of containerd's error for a process that runc could not start.
_TASK_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
# preStop may use up the grace; SIGTERM is still followed by this long before SIGKILL.
_LEAST_GRACE = 2.0
_PULL_FIRST, _PULL_MOST, _PULL_LOOK = 10.0, 300.0, 1.0
_CONFIG_RETRY_SECONDS = 12.0
_MOST_MESSAGE = 4096
_KEPT_LOGS = 2


async def start(worker: PodWorker, container: Container) -> None:
    """Bring the container up, or say why it can't be. Ends with the Pod looked at again."""
    try:
        if not worker.sandbox_ready:
            worker.sandbox_ready = True
            worker.publish()
        image = await _image(worker, container)
        if worker.stopping or image is None:
            return
        if container.container_id:
            container.restarts += 1
            # A kubelet sees to the Pod's volumes before it starts anything in it.
            worker.refresh_volumes()
        async with worker.node.places:
            process = await _launch(worker, container, image)
        if process is None:
            return
        _log(worker, container, process)
        await _started(worker, container, process)
    except ConfigError as error:
        worker.shown_address = worker.address
        worker.report("Warning", "Failed", f"Error: {error}", container)
        container.note_waiting("CreateContainerConfigError", str(error))
        worker.wake_later(container, _CONFIG_RETRY_SECONDS)
    except StartError as error:
        _failed_to_start(worker, container, error.message)
    except RuntimeFailure as error:
        _failed_to_start(worker, container, str(error))
    finally:
        container.busy = False
        worker.sync()


async def _launch(worker: PodWorker, container: Container, image: Image) -> Process | None:
    """Its process; None when the Pod has to end. Raises ConfigError, StartError."""
    if worker.stopping:
        return None
    container_id = worker.new_container_id()
    prepared = await launch.prepare(worker.node, worker.pod, container, image, worker.volumes, container_id)
    await _forget_previous(worker, container)
    container.image, container.image_id = full_reference(container.spec["image"]), image.id
    worker.prepared[container.name] = prepared
    worker.report("Normal", "Created", "Container created", container)
    if worker.stopping:
        return None
    container.runs += 1
    container.container_id = CONTAINERD + container_id
    return await launch.run(worker.node, prepared)


async def _image(worker: PodWorker, container: Container) -> Image | None:
    node = worker.node
    delay = _PULL_FIRST
    while not worker.stopping:
        try:
            return await launch.obtain_image(node, worker.pod, container)
        except PullError as error:
            worker.shown_address = worker.address
            if error.reason == "ErrImagePull":
                worker.report("Warning", "Failed", "Error: ErrImagePull", container)
            elif error.reason in ("ErrImageNeverPull", "InvalidImageName"):
                worker.report("Warning", "Failed", f"Error: {error.reason}", container)
            if delay == _PULL_FIRST:
                # Later failures are shown as the back-off that they lead to.
                container.note_waiting(error.reason, error.message)
                worker.publish()
            # The Pod is looked at a second later and finds the image in its back-off.
            await worker.nap(_PULL_LOOK)
            if error.reason == "ErrImagePull" and not worker.stopping:
                image = container.spec["image"]
                worker.report("Normal", "BackOff", f'Back-off pulling image "{image}"', container)
                worker.report("Warning", "Failed", "Error: ImagePullBackOff", container)
                text = f'Back-off pulling image "{image}": ErrImagePull: {error.message}'
                container.note_waiting("ImagePullBackOff", text)
                worker.publish()
            await worker.nap(delay)
            delay = min(delay * 2, _PULL_MOST)
    return None


async def _forget_previous(worker: PodWorker, container: Container) -> None:
    previous = worker.prepared.pop(container.name, None)
    if previous is not None:
        await worker.node.runtime.remove(previous.spec.id)
        await worker.node.in_thread(worker.node.runtime.snapshots.remove, previous.spec.id)


def _log(worker: PodWorker, container: Container, process: Process) -> None:
    path = log_path(worker.node, worker.pod, container.name, container.restarts)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = container.log = LogFile(path)
    clock = worker.node.clock
    # Nothing, but now the file knows that the container lives: followers wait for its first line.
    log.append(1, b"", clock.now())
    process.subscribe(lambda stream, data: log.append(stream, data, clock.now()))
    prune(path.parent, _KEPT_LOGS)


async def _started(worker: PodWorker, container: Container, process: Process) -> None:
    container.process = process
    worker.shown_address = worker.address
    worker.report("Normal", "Started", "Container started", container)
    spec = container.spec
    container.note_running(process.started_at, container.image, container.image_id, container.container_id)
    ended = worker.spawn(_wait(worker, container, process))
    hook = (spec.get("lifecycle") or {}).get("postStart")
    if hook:
        prepared = worker.prepared[container.name]
        try:
            await run_hook(worker.node.runtime, worker.node.clock, prepared, hook, spec, target(worker))
        except HookError:
            if not ended.done():
                worker.report("Warning", "FailedPostStartHook", "PostStartHook failed", container)
                message = f"FailedPostStartHook: container {container.name} will be restarted"
                worker.report("Normal", "Killing", message, container)
                worker.stop(container, float(worker.pod["spec"]["terminationGracePeriodSeconds"]))
            return
    if container.process is not process:
        return  # it has ended meanwhile
    container.started = not spec.get("startupProbe")
    container.ready = container.started and not spec.get("readinessProbe")
    container.probers = probers_of(
        worker.node,
        container,
        worker.prepared[container.name],
        target(worker),
        decide=lambda kind, healthy: worker.heard(container, kind, healthy),
        report=lambda kind, message: worker.report(
            "Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}", container
        ),
    )
    worker.publish()
    for prober in list(container.probers):
        prober.start()


def note_started(worker: PodWorker, container: Container) -> None:
    """The startup probe succeeded: the other probes begin, readiness at once."""
    container.started = True
    worker.stop_probes(container, STARTUP)
    if not container.spec.get("readinessProbe"):
        worker.publish()  # as the kubelet: `started` shows a moment before `ready`
        container.ready = True
    worker.sync()
    for prober in list(container.probers):
        if prober.kind == READINESS:
            prober.trigger()


async def _wait(worker: PodWorker, container: Container, process: Process) -> None:
    status = await process.wait()
    if container.process is process:
        _ended(worker, container, status)


def _ended(worker: PodWorker, container: Container, status: ExitStatus) -> None:
    previous = container.finished_at
    worker.stop_probes(container)
    if container.kill_timer is not None:
        container.kill_timer.cancel()
        container.kill_timer = None
    container.stopping = False
    if container.log is not None:
        container.log.end()
    reason = "OOMKilled" if status.oom_killed else "Completed" if status.code == 0 else "Error"
    message = _termination_message(worker, container, failed=status.code != 0)
    container.note_exit(status.code, reason, message, status.finished_at)
    killed, container.killed_by_probe = container.killed_by_probe, False
    again = container.should_run_again(worker.pod["spec"]["restartPolicy"])
    if killed and again and not worker.stopping:
        _restart_after_kill(worker, container, previous)
    else:
        # Upstream reports the end of a Pod's containers together, when the last one has ended.
        others = any(other.is_running for other in worker.containers)
        worker.sync(quiet=worker.stopping and others)


def _restart_after_kill(worker: PodWorker, container: Container, previous: float | None) -> None:
    # The kubelet kills and restarts in one go, so it looks at the back-off of the exit before this one.
    now = worker.node.clock.now()
    if previous is not None and container.crashes.remaining(now, previous) > 0:
        worker.back_off(container, container.crashes.remaining(now, container.finished_at or now))
        delay_text = worker.crash_loop_text(container)
        container.note_waiting(CRASH_LOOP, delay_text)
        worker.publish()
        return
    if previous is not None:
        container.crashes.next(now, previous)
    container.busy = True
    worker.spawn(start(worker, container))


def _termination_message(worker: PodWorker, container: Container, *, failed: bool) -> str:
    prepared = worker.prepared.get(container.name)
    if prepared is None:
        return ""
    try:
        with prepared.termination_log.open("rb") as file:
            text = file.read(_MOST_MESSAGE).decode(errors="replace")
    except OSError:
        return ""
    if text or not failed or container.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    lines = container.log.read(tail=80) if container.log is not None else []
    return b"".join(line.data for line in lines)[-2048:].decode(errors="replace")


def _failed_to_start(worker: PodWorker, container: Container, why: str) -> None:
    worker.shown_address = worker.address
    message = _TASK_FAILED + why
    now = worker.node.clock.now()
    worker.report("Warning", "Failed", f"Error: {message}", container)
    container.note_exit(128, "StartError", message, now)
    container.state["terminated"]["startedAt"] = "1970-01-01T00:00:00Z"
    if container.should_run_again(worker.pod["spec"]["restartPolicy"]):
        container.note_waiting("RunContainerError", message)


async def stop(worker: PodWorker, container: Container, grace: float) -> None:
    """End a running container: its preStop hook, its stop signal, and SIGKILL when the grace is over."""
    process, prepared = container.process, worker.prepared.get(container.name)
    if process is None or prepared is None:
        return
    clock = worker.node.clock
    began = clock.monotonic()
    hook = (container.spec.get("lifecycle") or {}).get("preStop")
    if hook and grace > 0:
        await _pre_stop(worker, container, prepared, hook, grace)
    if container.process is not process:
        return
    kill_later(worker, container, max(_LEAST_GRACE if hook else 0.0, grace - (clock.monotonic() - began)))
    process.signal(signal.Signals[_signal_name(prepared.stop_signal)])


async def _pre_stop(
    worker: PodWorker, container: Container, prepared: launch.Prepared, hook: Manifest, grace: float
) -> None:
    clock = worker.node.clock
    run = asyncio.ensure_future(
        run_hook(worker.node.runtime, clock, prepared, hook, container.spec, target(worker))
    )

    def give_up() -> None:
        run.cancel()

    limit = clock.call_later(grace, give_up)
    try:
        await run
    except asyncio.CancelledError:
        if not run.cancelled():
            run.cancel()
            raise
    except HookError:
        worker.report("Warning", "FailedPreStopHook", "PreStopHook failed", container)
    finally:
        limit.cancel()


def _signal_name(name: str) -> str:
    if name.isdigit():
        return signal.Signals(int(name)).name
    return name if name.startswith("SIG") else f"SIG{name}"


def kill_later(worker: PodWorker, container: Container, seconds: float) -> None:
    """SIGKILL in `seconds`, instead of any SIGKILL planned earlier."""
    process = container.process
    if container.kill_timer is not None:
        container.kill_timer.cancel()

    def kill() -> None:
        if process is not None:
            process.signal(signal.SIGKILL)

    container.kill_timer = worker.node.clock.call_later(seconds, kill)


def remove_files(worker: PodWorker) -> None:
    """Delete the Pod's directory on the node, logs included."""
    shutil.rmtree(worker.node.directory(worker.pod), ignore_errors=True)
