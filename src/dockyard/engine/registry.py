"""All containers of the engine, found by id, by name, or by the beginning of an id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dockyard.engine.container import Container
from dockyard.engine.errors import BadParameter, Conflict, NotFound
from dockyard.engine.store import Store


class Registry:
    """The containers, and their place in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, Container] = {}
        self._expected: dict[str, Container] = {}

    def load(self) -> None:
        """Read what an earlier engine kept."""
        for document in self._store.load("container"):
            container = Container(document)
            self._by_id[container.id] = container
            self._by_name[container.name] = container

    def __iter__(self) -> Iterator[Container]:
        """Yield the newest first."""
        return iter(sorted(self._by_id.values(), key=lambda c: c.document["Created"], reverse=True))

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def names(self) -> set[str]:
        """The names that are taken."""
        return {*self._by_name, *self._expected}

    @contextmanager
    def expecting(self, container: Container) -> Iterator[None]:
        """Keep the name of a container that is being prepared for it. Raises Conflict when it is taken."""
        self.check_name(container.name)
        self._expected[container.name] = container
        try:
            yield
        finally:
            del self._expected[container.name]

    def check_name(self, name: str, by: Container | None = None) -> None:
        """Raise Conflict when `name` is taken, and not `by` this container."""
        owner = self._by_name.get(name) or self._expected.get(name)
        if owner is not None and owner is not by:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{owner.id}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    def add(self, container: Container) -> None:
        """Take a container in; it is durable afterwards."""
        self.check_name(container.name, by=container)
        self._store.put("container", container.id, container.document)
        self._by_id[container.id] = container
        self._by_name[container.name] = container

    def save(self, container: Container) -> None:
        """Make a change of the document durable."""
        if container.id in self._by_id:
            self._store.put("container", container.id, container.document)

    def rename(self, container: Container, name: str) -> None:
        """Give a container another name."""
        self.check_name(name)
        del self._by_name[container.name]
        container.document["Name"] = name
        self._by_name[name] = container
        self.save(container)

    def remove(self, container: Container) -> None:
        """Forget a container."""
        self._store.delete("container", container.id)
        self._by_id.pop(container.id, None)
        self._by_name.pop(container.name, None)

    def find(self, reference: str) -> Container | None:
        """Return the container that `reference` means, or None."""
        name = reference.removeprefix("/")
        found = self._by_id.get(reference) or self._by_name.get(name)
        if found is not None or not reference:
            return found
        matches = [c for identifier, c in self._by_id.items() if identifier.startswith(reference)]
        if len(matches) > 1:
            raise BadParameter(f"multiple IDs found with provided prefix: {reference}")
        return matches[0] if matches else None

    def get(self, reference: str) -> Container:
        """Return the container that `reference` means.

        Raises:
            NotFound: there is none.
            BadParameter: the beginning of an id fits several.
        """
        found = self.find(reference)
        if found is None:
            raise NotFound(f"No such container: {reference}")
        return found
