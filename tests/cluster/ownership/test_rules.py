"""Properties of sets of fields and of apply that hold for any configuration."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockyard.cluster.errors import ApplyConflict
from dockyard.cluster.kinds import KINDS
from dockyard.cluster.ownership.apply import apply, apply_new
from dockyard.cluster.ownership.fieldset import from_v1, shown, to_v1
from dockyard.cluster.ownership.typed import Type, compare, fields_of, merge

KIND = KINDS["Service"]
NOW = "2026-01-01T00:00:00Z"
ROOT = Type("#io.k8s.api.core.v1.Service")

ports = st.lists(
    st.fixed_dictionaries(
        {"port": st.integers(1, 4)}, optional={"name": st.sampled_from("ab"), "protocol": st.just("TCP")}
    ),
    max_size=3,
    unique_by=lambda port: port["port"],
)
configurations = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"name": st.just("s")})},
    optional={
        "spec": st.fixed_dictionaries(
            {}, optional={"ports": ports, "type": st.sampled_from(["ClusterIP", "NodePort"])}
        )
    },
).flatmap(
    lambda config: st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), max_size=3).map(
        lambda labels: {
            **config,
            "metadata": {**config["metadata"], **({"labels": labels} if labels else {})},
        }
    )
)
quick = settings(max_examples=150, derandomize=True, deadline=None)


def stripped(obj: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(obj)
    found["metadata"].pop("managedFields", None)
    return found


@quick
@given(configurations)
def test_wire_form_holds_the_same_fields(config: dict[str, Any]) -> None:
    fields = fields_of(config, ROOT)
    assert from_v1(to_v1(fields)) == fields


@quick
@given(configurations, configurations)
def test_what_is_applied_is_there_and_applying_it_again_changes_nothing(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = apply_new(KIND, first, "one", NOW)
    once = apply(KIND, live, second, "two", force=True, now=NOW)
    assert merge(stripped(once), second, ROOT) == stripped(once)
    again = apply(KIND, once, second, "two", force=False, now="2027-01-01T00:00:00Z")
    assert again == once


@quick
@given(configurations, configurations)
def test_one_manager_alone_gets_exactly_what_he_asks_for(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = apply_new(KIND, first, "one", NOW)
    after = stripped(apply(KIND, live, second, "one", force=False, now=NOW))
    difference = compare(second, after, ROOT)
    # An empty map or list may stay behind, and nothing else.
    assert not difference.modified
    assert fields_of(after, ROOT) <= fields_of(second, ROOT) | {("f:spec",)}


@quick
@given(configurations, configurations)
def test_conflict_is_raised_exactly_when_a_managed_value_would_change(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    live = apply_new(KIND, first, "one", NOW)
    changed = compare(first, merge(first, second, ROOT), ROOT).modified & fields_of(first, ROOT)
    if not changed:
        apply(KIND, live, second, "two", force=False, now=NOW)
        return
    with pytest.raises(ApplyConflict) as refused:
        apply(KIND, live, second, "two", force=False, now=NOW)
    assert refused.value.details is not None
    assert {cause["field"] for cause in refused.value.details["causes"]} == {shown(path) for path in changed}


@pytest.mark.parametrize("tree", [{"g:x": {}}, {"f:x": []}, {"f:x": "no"}])
def test_what_is_no_set_of_fields_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"names no field|does not hold"):
        from_v1(tree)
