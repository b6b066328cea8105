"""What the API server knows of a kind: its names, its scope, its subresources and its rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dockyard.cluster.conversion import Conversion
from dockyard.cluster.fields import FieldErrors

if TYPE_CHECKING:
    from dockyard.cluster.custom.definition import CustomKind

Manifest = dict[str, Any]
Validate = Callable[[Manifest, Manifest | None, FieldErrors], None]

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Kind:
    """One row of the table of kinds.

    `validate` gets the new object, the old one on an update, and the errors.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    generation: bool = False  # metadata.generation counts changes of anything but metadata and status
    initial_status: Manifest | None = None
    created_with_status: bool = False  # a kubelet creates its Node with what it found
    label_name: bool = False  # names are DNS labels, not subdomains
    path_name: bool = False  # names may be anything that fits in a path segment (RBAC)
    default: Callable[[Manifest], None] | None = None
    validate: Validate | None = None
    selectable: tuple[str, ...] = ()  # field selectors beside metadata.name and metadata.namespace
    returns_deleted: bool = False  # DELETE answers the object, not a Status
    begin: Callable[[Manifest], None] | None = None  # completes the status that a new object starts with
    prepare: Callable[[Manifest, Manifest], None] | None = None  # sets what the server counts: (new, old)
    singular_name: str | None = None  # where it isn't the kind in lower case
    conversion: Conversion | None = field(default=None, compare=False)  # for a version that is not stored
    custom: CustomKind | None = field(default=None, compare=False)  # for what a CustomResourceDefinition adds
    extra: Manifest = field(default_factory=dict, compare=False)

    @cached_property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @cached_property
    def type_meta(self) -> dict[str, str]:
        """The first two fields of every object of this kind."""
        return {"kind": self.kind, "apiVersion": self.api_version}

    @cached_property
    def key(self) -> str:
        """What the store and its events call this kind; custom kinds of other groups may share a name."""
        return self.qualified if self.custom else self.kind

    @cached_property
    def id(self) -> str:
        """What the verbs call this kind in this version; the versions of a custom kind share their `key`."""
        return f"{self.qualified}/{self.version}" if self.custom else self.kind

    def show(self, obj: Manifest) -> Manifest:
        """A stored object, in this version."""
        return self.conversion.show(obj) if self.conversion else obj

    def read(self, obj: Manifest) -> Manifest:
        """An object of this version, as it is stored."""
        return self.conversion.read(obj) if self.conversion else obj

    @cached_property
    def singular(self) -> str:
        return self.kind.lower() if self.singular_name is None else self.singular_name

    @cached_property
    def list_kind(self) -> str:
        return self.custom.list_kind if self.custom else f"{self.kind}List"

    @cached_property
    def resource(self) -> str:
        """The resource with its group as error texts name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @cached_property
    def qualified(self) -> str:
        """The kind with its group as error texts name it: `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @cached_property
    def prefix(self) -> bytes:
        """The head of every serialised object of this kind."""
        return b'{"kind":"%s","apiVersion":"%s",' % (self.kind.encode(), self.api_version.encode())

    @cached_property
    def has_status(self) -> bool:
        return "status" in self.subresources
