"""The kinds that one cluster serves: the built-in ones, and those that CustomResourceDefinitions add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dockyard.cluster.kinds.kind import Kind


class Kinds(Mapping[str, Kind]):
    """Kinds by what the verbs call them: `Pod`, or `Widget.example.com` for a custom one's stored version.

    Iterating gives each stored kind once. `revision` counts the changes, for those who keep what they made of
    the kinds.
    """

    def __init__(self, built_in: Mapping[str, Kind], unstored: Iterable[Kind] = ()) -> None:
        """`unstored` are kinds that the API shows and nobody stores: metrics of a Pod, older versions."""
        self.revision = 0
        self._built_in = dict(built_in)
        self._unstored = tuple(unstored)
        self._custom: dict[str, tuple[Kind, ...]] = {}  # by the name of its definition, the stored one first
        self._stored: dict[str, Kind] = {}
        self._named: dict[str, Kind] = {}
        self._by_resource: dict[tuple[str, str, str], Kind] = {}
        self._groups: dict[str, list[str]] = {}
        self._index()

    def __getitem__(self, name: str) -> Kind:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def groups(self) -> Mapping[str, list[str]]:
        """The named groups with their versions, those of custom kinds behind the built-in ones."""
        return self._groups

    def served(self) -> Iterable[Kind]:
        """Every kind in every version that the API offers."""
        return self._by_resource.values()

    def resource(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a path of the API."""
        return self._by_resource.get((group, version, plural))

    def of(self, api_version: str, kind: str) -> Kind | None:
        """The kind that a reference names, such as an ownerReference or a scaleTargetRef."""
        group = api_version.rpartition("/")[0]
        found = self._stored.get(f"{kind}.{group}") if group else None
        if found is None and (built_in := self._built_in.get(kind)) is not None and built_in.group == group:
            found = built_in
        return found

    def define(self, name: str, rows: Iterable[Kind]) -> None:
        """Add the kinds of a definition, stored version first, or replace them; no rows remove them."""
        made = tuple(rows)
        if made:
            self._custom[name] = made
        elif self._custom.pop(name, None) is None:
            return
        self.revision += 1
        self._index()

    def _index(self) -> None:
        self._stored = dict(self._built_in)
        self._named = dict(self._built_in)
        served = [*self._built_in.values(), *self._unstored]
        for _, rows in sorted(self._custom.items()):
            self._stored[rows[0].key] = self._named[rows[0].key] = rows[0]
            for row in rows:
                self._named[row.id] = row
                if row.custom is not None and row.custom.served:
                    served.append(row)
        self._by_resource = {(row.group, row.version, row.plural): row for row in served}
        self._groups = {}
        for row in served:
            if row.group and row.version not in self._groups.setdefault(row.group, []):
                self._groups[row.group].append(row.version)
