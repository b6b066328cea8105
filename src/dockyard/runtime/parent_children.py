"""All of the parent's children, by key, pid and channel: at the same cost for ten as for a thousand."""

from __future__ import annotations

from collections.abc import Iterator

from dockyard.runtime.parent_child import Child


class Children:
    """From the fork of each until it is forgotten; `starting`: let go, and its program is not known yet."""

    def __init__(self) -> None:
        self.starting: dict[str, Child] = {}
        self._by_key: dict[str, Child] = {}
        self._by_pid: dict[int, Child] = {}
        self._by_channel: dict[int, Child] = {}

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_key.values()))

    def add(self, one: Child) -> None:
        """Take in a child that has just been forked; its pid may not be known yet."""
        self._by_key[one.plan["key"]] = one
        if one.channel is not None:
            self._by_channel[one.channel.fileno()] = one
        if one.pid:
            self._by_pid[one.pid] = one

    def get(self, key: str) -> Child | None:
        """The child of a plan."""
        return self._by_key.get(key)

    def of_pid(self, pid: int) -> Child | None:
        """The child that is this process."""
        return self._by_pid.get(pid)

    def of_channel(self, fd: int) -> Child | None:
        """The child that speaks through this descriptor."""
        return self._by_channel.get(fd)

    def note_pid(self, one: Child, pid: int) -> None:
        """The child's process is known now."""
        one.pid = pid
        self._by_pid[pid] = one

    def close_channel(self, one: Child) -> None:
        """The child says nothing more."""
        if one.channel is not None:
            del self._by_channel[one.channel.fileno()]
            one.channel.close()
            one.channel = None

    def remove(self, one: Child) -> None:
        """Forget the child; its number may be another's already."""
        del self._by_key[one.plan["key"]]
        self.starting.pop(one.plan["key"], None)
        if self._by_pid.get(one.pid) is one:
            del self._by_pid[one.pid]
