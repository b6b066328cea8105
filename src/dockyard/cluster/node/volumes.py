"""Volumes: directories on the node that a Pod's containers see, filled from objects and kept up to date."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from dockyard.cluster.api import Api
from dockyard.cluster.node.claims import ClaimError, directory_of
from dockyard.cluster.node.env import (
    ConfigError,
    allocatable,
    expand,
    object_values,
    pod_field,
    resource_field,
)
from dockyard.cluster.node.hostpath import HostPathError, HostPaths
from dockyard.cluster.node.tokens import PodTokens
from dockyard.cluster.store import Manifest
from dockyard.runtime.spec import Mount

# The link that is swapped in one step when a volume changes, as upstream's AtomicWriter does it.
_CURRENT = "..data"
# What the node fills from objects; it is read-only in the container.
_PROJECTED = ("configMap", "secret", "downwardAPI", "projected")
# Where the single files lie that containers have mounted out of such volumes; no volume has this name.
_SUB_PATHS = "..subpaths"


class VolumeError(Exception):
    """A volume can't be set up yet; the text is that of the FailedMount Event."""


class File(NamedTuple):
    """One file of a projected volume."""

    content: bytes
    mode: int


class Volumes:
    """One Pod's volumes: under `root`, but for those that are directories of the machine."""

    def __init__(self, api: Api, root: Path, paths: HostPaths, pod_ip: str = "") -> None:
        self._api = api
        self._root = root
        self._paths = paths
        self._places: dict[str, Path] = {}
        self._tokens = PodTokens(api)
        self.pod_ip = pod_ip

    def set_up(self, pod: Manifest) -> None:
        """Create all volumes, or bring the projected ones up to date. Raises VolumeError."""
        for volume in pod["spec"].get("volumes") or ():
            path = self._root / volume["name"]
            if "emptyDir" in volume:
                # Differs: `medium: Memory` is a directory as well, and sizeLimit is not enforced.
                if not path.is_dir():
                    path.mkdir(parents=True)
                    path.chmod(0o777)
            elif any(kind in volume for kind in ("hostPath", "persistentVolumeClaim", "ephemeral")):
                if volume["name"] not in self._places:  # once: what is mounted stays, whatever its claim does
                    self._places[volume["name"]] = self._place(pod, volume)
            elif (files := self._files(pod, volume)) is not None:
                _write(path, files)
            else:
                kind = next((key for key in volume if key != "name"), "?")
                # Differs: csi, nfs and the other kinds of storage outside of this machine are not mounted.
                raise VolumeError(_failed(volume, f"volumes of type {kind} are not supported on this node"))

    def mounts(self, pod: Manifest, container: Manifest, values: dict[str, str]) -> tuple[Mount, ...]:
        """The container's volume mounts. Raises ConfigError for a subPath that leads nowhere."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
        found = []
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            volume = volumes[mount["name"]]
            source = self._places.get(volume["name"], self._root / volume["name"])
            sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", values)
            projected = any(kind in volume for kind in _PROJECTED)
            if sub_path:
                source = self._sub_path(source, sub_path, volume)
                if projected:
                    source = _kept(source, self._root / _SUB_PATHS / container["name"] / str(number))
            only_read = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
            read_only = bool(mount.get("readOnly")) or projected or only_read
            found.append(Mount(mount["mountPath"], source, read_only))
        return tuple(found)

    def remove(self) -> None:
        """Delete the Pod's volumes; those that are not there are no error."""
        shutil.rmtree(self._root, ignore_errors=True)

    @staticmethod
    def _sub_path(source: Path, sub_path: str, volume: Manifest) -> Path:
        # A link that a container left in the volume leads nowhere outside of it.
        target = (source / sub_path).resolve()
        projected = any(kind in volume for kind in _PROJECTED)
        outside = not target.is_relative_to(source.resolve())
        if outside or (projected and not target.exists()):
            raise ConfigError(f'failed to prepare subPath for volumeMount "{volume["name"]}"')
        if not target.exists():
            target.mkdir(parents=True)
        return target

    def _place(self, pod: Manifest, volume: Manifest) -> Path:
        """The machine's directory or file that a volume stands for."""
        try:
            if "hostPath" in volume:
                return self._paths.open(volume["hostPath"]["path"], volume["hostPath"].get("type") or "")
            return directory_of(self._api, self._paths, pod, volume)
        except HostPathError as error:
            raise VolumeError(_failed(volume, str(error))) from error
        except ClaimError as error:
            raise VolumeError(str(error)) from error

    def _files(self, pod: Manifest, volume: Manifest) -> dict[str, File] | None:
        try:
            if "configMap" in volume:
                source = volume["configMap"]
                return self._from_object(pod, "ConfigMap", source["name"], source, source["defaultMode"])
            if "secret" in volume:
                source = volume["secret"]
                return self._from_object(pod, "Secret", source["secretName"], source, source["defaultMode"])
            if "downwardAPI" in volume:
                source = volume["downwardAPI"]
                return self._downward(pod, source, source["defaultMode"])
            if "projected" in volume:
                found: dict[str, File] = {}
                for source in volume["projected"].get("sources") or ():
                    found |= self._projection(pod, source, volume["projected"]["defaultMode"])
                return found
        except ConfigError as error:
            raise VolumeError(_failed(volume, str(error))) from error
        return None

    def _projection(self, pod: Manifest, source: Manifest, mode: int) -> dict[str, File]:
        if "configMap" in source:
            return self._from_object(pod, "ConfigMap", source["configMap"]["name"], source["configMap"], mode)
        if "secret" in source:
            return self._from_object(pod, "Secret", source["secret"]["name"], source["secret"], mode)
        if "downwardAPI" in source:
            return self._downward(pod, source["downwardAPI"], mode)
        if "serviceAccountToken" in source:
            token = source["serviceAccountToken"]
            return {token.get("path", "token"): File(self._tokens.token(pod, token), mode)}
        raise ConfigError(f"projected source {sorted(source)} is not supported on this node")

    def _from_object(
        self, pod: Manifest, kind: str, name: str, source: Manifest, mode: int
    ) -> dict[str, File]:
        namespace = pod["metadata"]["namespace"]
        values = object_values(self._api, kind, namespace, name)
        if values is None:
            if source.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{name}" not found')
        items = source.get("items")
        if not items:
            return {key: File(value, mode) for key, value in values.items()}
        found = {}
        for item in items:
            if item["key"] in values:
                found[item["path"]] = File(values[item["key"]], item.get("mode") or mode)
            elif not source.get("optional"):
                raise ConfigError(f"references non-existent {kind.lower()} key: {item['key']}")
        return found

    def _downward(self, pod: Manifest, source: Manifest, mode: int) -> dict[str, File]:
        found = {}
        for item in source.get("items") or ():
            if "fieldRef" in item:
                text = pod_field(pod, item["fieldRef"]["fieldPath"], self.pod_ip)
            else:
                reference = item["resourceFieldRef"]
                container = {"name": reference.get("containerName", "")}
                text = resource_field(pod, container, reference, allocatable(self._api))
            found[item["path"]] = File(text.encode(), item.get("mode") or mode)
        return found


def _failed(volume: Manifest, why: str) -> str:
    return f'MountVolume.SetUp failed for volume "{volume["name"]}" : {why}'


def _write(path: Path, files: dict[str, File]) -> None:
    """Show exactly these files under `path`, in one step; a volume that is right is left alone."""
    link = path / _CURRENT
    old = path / os.readlink(link) if link.is_symlink() else None
    if old is not None and _content(old) == files:
        return
    path.mkdir(parents=True, exist_ok=True)
    number = 0
    while (fresh := path / f"..{number:08d}").exists():
        number += 1
    fresh.mkdir()
    for name, file in files.items():
        if "/" in name:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        with open(fresh / name, "xb") as target:
            target.write(file.content)
            os.fchmod(target.fileno(), file.mode)
    swap = path / "..data_tmp"
    swap.symlink_to(fresh.name)
    swap.rename(link)
    present = {name for name in os.listdir(path) if not name.startswith("..")}
    wanted = {name.split("/")[0] for name in files}
    for name in wanted - present:
        os.symlink(f"{_CURRENT}/{name}", f"{path}/{name}")
    for name in present - wanted:
        os.unlink(f"{path}/{name}")
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _kept(target: Path, place: Path) -> Path:
    """A file or folder of a projected volume as it is now, linked to `place`.

    As upstream, a subPath never follows its volume: it outlives the version of it that it came from.
    """
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.copytree(target, place, copy_function=os.link)
    else:
        os.link(target, place)
    return place


def _content(directory: Path) -> dict[str, File]:
    return {
        str(file.relative_to(directory)): File(file.read_bytes(), file.stat().st_mode & 0o777)
        for file in directory.rglob("*")
        if file.is_file()
    }
