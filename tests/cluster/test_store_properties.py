"""The store under any order of writes, watches and readers: linearizable, and no watch loses or repeats.

Hypothesis chooses who writes, reads and listens when; a list of past states says what must be seen.
"""

from __future__ import annotations

import copy
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from dockyard.cluster.api import Api
from dockyard.cluster.errors import Conflict, NotFound
from dockyard.cluster.kinds import KINDS
from dockyard.cluster.selectors import EVERYTHING, parse_labels
from dockyard.cluster.store import CompactedError, Store
from dockyard.cluster.watch import Selection, Watch
from dockyard.wire.clock import FakeClock

KIND = KINDS["ConfigMap"]
NAMES = st.sampled_from(["a", "b", "c", "d"])
TIERS = st.sampled_from(["front", "back"])
State = dict[str, tuple[str, str]]  # name -> (tier, resourceVersion)


class Listener:
    """A watch, and the state that a client would have made of its events."""

    def __init__(self, store: Store, since: int, state: State, tier: str) -> None:
        labels = parse_labels(f"tier={tier}") if tier else EVERYTHING
        self.tier = tier
        self.watch = Watch(store, Selection(KIND, "default", labels), since)
        self.state = self.selected(state)
        self.revision = since

    def selected(self, state: State) -> State:
        return {name: found for name, found in state.items() if self.tier in ("", found[0])}

    def read(self) -> None:
        """Take what is queued, as an informer does."""
        for change in self.watch.take():
            metadata = change.object["metadata"]
            name, revision = metadata["name"], int(metadata["resourceVersion"])
            assert revision > self.revision, "an event came twice, or late"
            self.revision = revision
            if change.type == "ADDED":
                assert name not in self.state
            else:
                assert name in self.state, "an event before this one was lost"
            if change.type == "DELETED":
                del self.state[name]
            else:
                self.state[name] = (metadata["labels"]["tier"], metadata["resourceVersion"])


class StoreMachine(RuleBasedStateMachine):
    """Several writers with optimistic locks, and listeners that come and go, over one Api."""

    copies: Any = Bundle("copies")
    listeners: Any = Bundle("listeners")

    @initialize(data=st.data())
    def begin(self, data: Any) -> None:
        self.api = Api(Store(None), FakeClock())
        self.store = self.api.store
        self.api.create("Namespace", {"metadata": {"name": "default"}})
        self.present: State = {}
        for record in list(self.store.scan("ConfigMap", "default")):
            self.api.delete("ConfigMap", record.name)
        self.states: dict[int, State] = {self.store.revision: {}}
        self.open: list[Listener] = []

    def note(self, name: str, made: dict[str, Any] | None) -> None:
        """Remember the state that a write has led to."""
        if made is None:
            del self.present[name]
        else:
            metadata = made["metadata"]
            self.present[name] = (metadata["labels"]["tier"], metadata["resourceVersion"])
        assert self.store.revision not in self.states, "a write without a revision of its own"
        self.states[self.store.revision] = copy.copy(self.present)

    @rule(name=NAMES, tier=TIERS)
    def create(self, name: str, tier: str) -> None:
        obj = {"metadata": {"name": name, "labels": {"tier": tier}}, "data": {"n": "0"}}
        if name not in self.present:
            self.note(name, self.api.create("ConfigMap", obj, namespace="default"))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        try:
            self.api.delete("ConfigMap", name, "default")
        except NotFound:
            assert name not in self.present
        else:
            self.note(name, None)

    @rule(target=copies, name=NAMES)
    def read(self, name: str) -> dict[str, Any] | None:
        """A writer reads; what it read is written back later, maybe after others wrote."""
        found = self.api.find("ConfigMap", name, "default")
        assert (found is None) == (name not in self.present)
        return found

    @rule(mine=consumes(copies), tier=TIERS)
    def write_back(self, mine: dict[str, Any] | None, tier: str) -> None:
        """Succeeds exactly when nobody wrote in between: so no increment is ever lost."""
        if mine is None:
            return
        metadata = mine["metadata"]
        name, latest = metadata["name"], self.present.get(metadata["name"])
        metadata["labels"]["tier"] = tier
        mine["data"]["n"] = str(int(mine["data"]["n"]) + 1)
        try:
            made = self.api.update("ConfigMap", mine)
        except Conflict:
            assert latest is not None
            assert latest[1] != metadata["resourceVersion"]
        except NotFound:
            assert latest is None
        else:
            assert latest is not None
            assert latest[1] == metadata["resourceVersion"]
            self.note(name, made)

    @rule(name=NAMES)
    def change_nothing(self, name: str) -> None:
        """A write that changes nothing is no write: no revision, no event."""
        before = self.store.revision
        if name in self.present:
            self.api.update("ConfigMap", self.api.get("ConfigMap", name, "default"))
        assert self.store.revision == before

    @rule(target=listeners, back=st.integers(0, 6), tier=st.sampled_from(["", "front"]))
    def listen(self, back: int, tier: str) -> Listener | None:
        """Open a watch from a past list, or be told that it is too long ago."""
        known = sorted(self.states)
        since = known[max(0, len(known) - 1 - back)]
        try:
            made = Listener(self.store, since, self.states[since], tier)
        except CompactedError:
            assert since < self.store.compacted
            return None
        self.open.append(made)
        return made

    @rule(listener=listeners)
    def hear(self, listener: Listener | None) -> None:
        if listener is not None:
            listener.read()

    @rule(back=st.integers(0, 6))
    def list_the_past(self, back: int) -> None:
        known = sorted(self.states)
        revision = known[max(0, len(known) - 1 - back)]
        try:
            records = self.store.snapshot("ConfigMap", revision)
        except CompactedError:
            assert revision < self.store.compacted
            return
        assert {record.name: str(record.revision) for record in records} == {
            name: version for name, (_, version) in self.states[revision].items()
        }

    @rule()
    def compact(self) -> None:
        self.store.compact()

    @invariant()
    def readers_see_the_last_write(self) -> None:
        if hasattr(self, "api"):
            found = self.api.list("ConfigMap", "default")
            assert [(obj["metadata"]["name"], obj["metadata"]["resourceVersion"]) for obj in found] == sorted(
                (name, version) for name, (_, version) in self.present.items()
            )

    def teardown(self) -> None:
        for listener in getattr(self, "open", ()):
            listener.read()
            assert listener.state == listener.selected(self.present)
            listener.watch.close()
        if hasattr(self, "api"):
            self.store.close()


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestStoreIsLinearizableAndWatchesLoseAndRepeatNothing = StoreMachine.TestCase
