"""Which container of a Pod a client means."""

from __future__ import annotations

from dockyard.cluster.errors import ApiError, BadRequest, InternalError
from dockyard.cluster.node.agent import NodeAgent
from dockyard.cluster.node.container import Container
from dockyard.cluster.node.launch import Prepared
from dockyard.cluster.store import Manifest


def choose(pod: Manifest, name: str | None) -> str:
    """The container's name; without one, the Pod must have only one. Raises BadRequest."""
    pod_name = pod["metadata"]["name"]
    main = [container["name"] for container in pod["spec"]["containers"]]
    init = [container["name"] for container in pod["spec"].get("initContainers", ())]
    added = [container["name"] for container in pod["spec"].get("ephemeralContainers", ())]
    if name:
        if name not in main + init + added:
            raise BadRequest(f"container {name} is not valid for pod {pod_name}")
        return name
    if len(main) == 1 and not init and not added:
        return str(main[0])
    text = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(main)}]"
    if init:
        text += f" or one of the init containers: [{' '.join(init)}]"
    if added:
        text += f" or one of the ephemeral containers: [{' '.join(added)}]"
    raise BadRequest(text)


def running(agent: NodeAgent, pod: Manifest, name: str) -> tuple[Container, Prepared]:
    """The container and how it was started. Raises BadRequest or InternalError when it isn't running."""
    metadata = pod["metadata"]
    if not pod["spec"].get("nodeName"):
        raise BadRequest(f"pod {metadata['name']} does not have a host assigned")
    worker = agent.worker_of(metadata["namespace"], metadata["name"])
    if worker is not None:
        container = next(c for c in worker.containers if c.name == name)
        prepared = worker.prepared.get(name)
        if container.process is not None and prepared is not None:
            return container, prepared
    raise upgrade_failed(f'container not found ("{name}")')


def upgrade_failed(why: str) -> ApiError:
    """The kubelet's refusal before a stream began, in kubectl's words `unable to upgrade connection`."""
    return InternalError(f"unable to upgrade connection: {why}")
