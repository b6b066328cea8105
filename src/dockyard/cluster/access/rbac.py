"""RBAC's decision: which rules bindings give to a user, and whether they allow what he wants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dockyard.cluster.access.attributes import Attributes
from dockyard.cluster.access.rules import allows
from dockyard.cluster.access.user import User, account_name
from dockyard.cluster.store import Event

if TYPE_CHECKING:
    from dockyard.cluster.api import Api

Manifest = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
_KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


class Decision(NamedTuple):
    """Whether a user may; `reason` names the binding that allows it, or what is wrong with bindings."""

    allowed: bool
    reason: str = ""


class Rules(NamedTuple):
    """What a user holds in a namespace, and the bindings whose role is missing."""

    rules: list[Manifest]
    problems: list[str]


class _Grant(NamedTuple):
    source: str
    rules: list[Manifest]
    problem: str = ""


class _Tables:
    """The RBAC objects, parsed once until one of them changes."""

    def __init__(self, api: Api) -> None:
        self.cluster = api.list("ClusterRoleBinding")
        self.bindings: dict[str, list[Manifest]] = defaultdict(list)
        for binding in api.list("RoleBinding"):
            self.bindings[binding["metadata"]["namespace"]].append(binding)
        self.roles: dict[tuple[str, str], list[Manifest]] = {
            (role["metadata"].get("namespace", ""), role["metadata"]["name"]): role.get("rules") or []
            for kind in ("ClusterRole", "Role")
            for role in api.list(kind)
        }


class Authorizer:
    """Decides by the RBAC objects of one cluster.

    Differs: there is no Node authorizer; a client with a node's certificate has what is bound to it.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: _Tables | None = None
        api.subscribe(self._changed)

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Whether the user may; members of system:masters may everything, whatever the bindings say."""
        if user.is_master:
            return Decision(True)
        problems = []
        for grant in self._grants(user, wanted.namespace):
            if grant.problem:
                problems.append(grant.problem)
            elif any(allows(rule, wanted) for rule in grant.rules):
                return Decision(True, f"RBAC: allowed by {grant.source}")
        return Decision(False, f"RBAC: {_aggregate(problems)}" if problems else "")

    def rules_for(self, user: User, namespace: str) -> Rules:
        """Every rule that the user holds in a namespace; "" is the cluster scope alone."""
        grants = list(self._grants(user, namespace))
        rules = [rule for grant in grants for rule in grant.rules]
        return Rules(rules, [grant.problem for grant in grants if grant.problem])

    def role_rules(self, reference: Manifest, namespace: str) -> list[Manifest] | None:
        """The rules of the role that a binding in `namespace` refers to; None when there is no such role."""
        home = namespace if reference.get("kind") == "Role" else ""
        return self._tables().roles.get((home, reference.get("name", "")))

    def _changed(self, event: Event) -> None:
        if event.kind in _KINDS:
            self._known = None

    def _tables(self) -> _Tables:
        if self._known is None:
            self._known = _Tables(self._api)
        return self._known

    def _grants(self, user: User, namespace: str) -> Iterator[_Grant]:
        tables = self._tables()
        for binding in tables.cluster:
            yield from self._grant(user, binding, "")
        for binding in tables.bindings.get(namespace, ()) if namespace else ():
            yield from self._grant(user, binding, namespace)

    def _grant(self, user: User, binding: Manifest, namespace: str) -> Iterator[_Grant]:
        for subject in binding.get("subjects") or ():
            if not _is(user, subject, namespace):
                continue
            role = binding["roleRef"]
            rules = self.role_rules(role, namespace)
            if rules is None:
                problem = f'{role.get("kind", "").lower()}.{GROUP} "{role.get("name", "")}" not found'
                yield _Grant("", [], problem)
            else:
                yield _Grant(_source(binding, subject, namespace), rules)
            return


def _is(user: User, subject: Manifest, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "User":
        return bool(user.name == name)
    if kind == "Group":
        return name in user.groups
    home = subject.get("namespace") or namespace
    return kind == "ServiceAccount" and bool(home) and user.name == account_name(home, name)


def _source(binding: Manifest, subject: Manifest, namespace: str) -> str:
    name, role = binding["metadata"]["name"], binding["roleRef"]
    kind, place = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    who = subject["name"]
    if subject["kind"] == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{place}" of {role["kind"]} "{role["name"]}" to {subject["kind"]} "{who}"'


def _aggregate(problems: list[str]) -> str:
    texts = list(dict.fromkeys(problems))
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
