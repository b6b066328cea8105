"""From a Pod's claim to the directory on this node: what a kubelet looks up before it mounts."""

from __future__ import annotations

from pathlib import Path

from dockyard.cluster.api import Api
from dockyard.cluster.node.hostpath import HostPathError, HostPaths
from dockyard.cluster.podstate import is_terminating
from dockyard.cluster.storage.binding import CLAIM, VOLUME
from dockyard.cluster.storage.matching import is_bound
from dockyard.cluster.storage.use import claims_of
from dockyard.cluster.store import Manifest


class ClaimError(Exception):
    """The claim's volume can't be used yet; the text is the kubelet's."""


def directory_of(api: Api, paths: HostPaths, pod: Manifest, volume: Manifest) -> Path:
    """The directory of a volume of type persistentVolumeClaim or ephemeral. Raises ClaimError."""
    namespace, name = pod["metadata"]["namespace"], claims_of(pod)[volume["name"]]
    waiting = f"[{volume['name']}]"
    where = (
        f"Unable to attach or mount volumes: unmounted volumes={waiting}, unattached volumes=[], "
        f"failed to process volumes={waiting}: error processing PVC {namespace}/{name}"
    )
    claim = api.find(CLAIM, name, namespace)
    if claim is None:
        missing = f'persistentvolumeclaims "{name}" not found'
        raise ClaimError(f"{where}: failed to fetch PVC from API server: {missing}")
    if is_terminating(claim):
        raise ClaimError(f"{where}: PVC is being deleted")
    if not is_bound(claim):
        raise ClaimError(f"{where}: PVC is not bound")
    found = api.find(VOLUME, claim["spec"]["volumeName"])
    if found is None:
        missing = f'persistentvolumes "{claim["spec"]["volumeName"]}" not found'
        raise ClaimError(f"{where}: failed to fetch PV from API server: {missing}")
    return _source(paths, found)


def _source(paths: HostPaths, volume: Manifest) -> Path:
    spec, name = volume["spec"], volume["metadata"]["name"]
    if spec.get("volumeMode") == "Block":
        # Differs: there are no block devices, so volumeMode Block is never mounted.
        raise ClaimError(f'volume "{name}" has volumeMode Block, and this node has no block devices')
    if "hostPath" in spec:
        try:
            return paths.open(spec["hostPath"]["path"], spec["hostPath"].get("type") or "")
        except HostPathError as error:
            raise ClaimError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    if "local" in spec:
        place = paths.place(spec["local"]["path"])
        if not place.exists():
            path = spec["local"]["path"]
            what = f'MountVolume.NewMounter initialization failed for volume "{name}"'
            raise ClaimError(f'{what} : path "{path}" does not exist')
        return place
    kind = next((key for key in ("csi", "nfs", "iscsi", "fc", "cephfs", "rbd") if key in spec), "this kind")
    # Differs: storage that is not on this machine (csi, nfs and the like) is not mounted.
    raise ClaimError(f'MountVolume.SetUp failed for volume "{name}" : {kind} is not supported on this node')
