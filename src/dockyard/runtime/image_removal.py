"""Removing images by the real engine's rules: what is only untagged, what goes with it, what must stay.

Source of the rules: the behaviour of `docker rmi` and its recorded conflicts. A name is a tag or a digest.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dockyard.runtime.image import Image, ImageInUse
from dockyard.runtime.image_records import Records
from dockyard.runtime.references import familiar, short_id


class User(NamedTuple):
    """A container that was made of an image."""

    container: str
    running: bool


Users = Callable[[str], Sequence[User]]
Report = list[dict[str, str]]


class Removal(NamedTuple):
    """`report` is what `DELETE /images/{name}` answers; `layers` are the diff ids nothing needs any more."""

    report: Report
    layers: list[str]


def nobody(image: str) -> Sequence[User]:
    """No container uses it."""
    return ()


def chain_ids(layers: Sequence[str]) -> list[str]:
    """The id of each layer together with all below it (OCI image-spec, config.md, "Layer ChainID")."""
    chain: list[str] = []
    for layer in layers:
        text = f"{chain[-1]} {layer}" if chain else ""
        chain.append("sha256:" + hashlib.sha256(text.encode()).hexdigest() if text else layer)
    return chain


def repository(name: str) -> str:
    """`host:1/a/b:tag` or `host:1/a/b@sha256:...` -> `host:1/a/b`."""
    return name.partition("@")[0] if "@" in name else name.rpartition(":")[0]


class Remover:
    """One removal, inside a transaction of its caller."""

    def __init__(self, records: Records, users: Users, held: Sequence[Sequence[str]]) -> None:
        self._records = records
        self._users = users
        self._report: Report = []
        self._layers: list[str] = []
        lists = [*records.layer_lists(), *held]
        self._chains = Counter(chain for layers in lists for chain in chain_ids(layers))

    def remove(self, image: Image, reference: str, *, force: bool, prune: bool) -> Removal:
        """Take the name `reference` from an image, or remove it whole. Raises ImageInUse."""
        by_id = image.id.startswith(reference) or image.id.removeprefix("sha256:").startswith(reference)
        names = [*image.repo_tags, *image.repo_digests]
        single = _is_one_name(names)
        if not by_id:
            users = self._users(image.id)
            if users and single and not force:
                raise ImageInUse(
                    f'conflict: unable to remove repository reference "{reference}" (must force) - container '
                    f"{users[0].container[:12]} is using its referenced image {short_id(image.id)}"
                )
            self._untag(familiar(reference), names)
            if names:
                return Removal(self._report, self._layers)
        elif single:
            self._check(image, force=force, count_names=False)
            for name in list(names):
                self._untag(name, names)
        if self._check(image, force=force, quiet=not by_id):
            self._delete(image, prune=prune)
        return Removal(self._report, self._layers)

    def _untag(self, name: str, names: list[str]) -> None:
        """Take one name; with the last tag of a repository, its digests go."""
        if name not in names:
            return
        gone = [name]
        home = repository(name)
        rest = [other for other in names if other != name and repository(other) == home]
        if "@" not in name and all("@" in other for other in rest):
            gone += rest
        for each in gone:
            names.remove(each)
            self._records.unname(each)
            self._report.append({"Untagged": each})

    def _check(self, image: Image, *, force: bool, quiet: bool = False, count_names: bool = True) -> bool:
        """Whether the image may go now. A conflict is raised, or with `quiet` passed over in silence."""
        users = self._users(image.id)
        running = next((user for user in users if user.running), None)
        reason, hard = "", True
        if self._records.has_children(image.id):
            reason = "image has dependent child images"
        elif running:
            reason = f"image is being used by running container {running.container[:12]}"
        elif not force:
            hard = False
            if count_names and self._records.names(image.id):
                reason = "image is referenced in multiple repositories"
            elif users:
                reason = f"image is being used by stopped container {users[0].container[:12]}"
        if reason and not quiet:
            how = "cannot be forced" if hard else "must be forced"
            raise ImageInUse(f"conflict: unable to delete {short_id(image.id)} ({how}) - {reason}")
        return not reason

    def _delete(self, image: Image, *, prune: bool) -> None:
        for name in self._records.names(image.id):
            self._records.unname(name)
            self._report.append({"Untagged": name})
        self._records.delete(image.id)
        self._report.append({"Deleted": image.id})
        for layer, chain in reversed([*zip(image.layers, chain_ids(image.layers), strict=True)]):
            self._chains[chain] -= 1
            if not self._chains[chain]:
                self._report.append({"Deleted": chain})
                self._layers.append(layer)
        if prune and image.parent:
            parent = next(iter(self._records.starting_with(image.parent)), None)
            if parent is not None and self._check(
                below := self._records.image(parent), force=False, quiet=True
            ):
                self._delete(below, prune=True)


def _is_one_name(names: Sequence[str]) -> bool:
    """Whether all names are one: a tag and the digests of its own repository count as one."""
    tags = [name for name in names if "@" not in name]
    return len(tags) <= 1 and len({repository(name) for name in names}) <= 1
