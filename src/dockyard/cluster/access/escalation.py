"""Nobody hands out more than he holds: the checks behind writes of roles and bindings."""

from __future__ import annotations

from typing import Any

from dockyard.cluster.access.attributes import Attributes
from dockyard.cluster.access.rbac import GROUP, Authorizer
from dockyard.cluster.access.rules import describe, go_list, missing
from dockyard.cluster.access.user import User
from dockyard.cluster.errors import Forbidden, NotFound
from dockyard.cluster.kinds import KINDS, Kind

Manifest = dict[str, Any]

_EVERYTHING = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
_COLLECTED = ("ownerReferences", "finalizers", "managedFields", "resourceVersion")


class Guard:
    """Looks at what one user writes before it is stored. Not needed for system:masters."""

    def __init__(self, authorizer: Authorizer, user: User) -> None:
        self._authorizer = authorizer
        self.user = user

    def __call__(self, kind: Kind, new: Manifest, old: Manifest | None) -> None:
        """Raises Forbidden for an escalation, NotFound for a binding to a role that isn't there.

        The verbs `escalate` and `bind` are upstream's ways around it.
        """
        if kind.group != GROUP or (old is not None and _same(new, old)):
            return
        if kind.kind in ("Role", "ClusterRole"):
            self._check_role(kind, new, old)
        else:
            self._check_binding(kind, new)

    def _check_role(self, kind: Kind, role: Manifest, old: Manifest | None) -> None:
        name, namespace = role["metadata"].get("name", ""), role["metadata"].get("namespace", "")
        asked_for = name if old is not None else ""  # the request of a create names nothing
        if self._may("escalate", kind.plural, asked_for, namespace):
            return
        self._refuse_more(kind, name, namespace, role.get("rules") or [])
        # An aggregationRule may gather any rule at any later time.
        held = self._authorizer.rules_for(self.user, namespace).rules
        if role.get("aggregationRule") and missing(held, _EVERYTHING):
            why = "must have cluster-admin privileges to use an aggregationRule"
            raise Forbidden.of(kind, name, why)

    def _check_binding(self, kind: Kind, binding: Manifest) -> None:
        name, namespace = binding["metadata"].get("name", ""), binding["metadata"].get("namespace", "")
        role = binding["roleRef"]
        role_kind = KINDS[role["kind"]]
        if self._may("bind", role_kind.plural, role["name"], namespace):
            return
        rules = self._authorizer.role_rules(role, namespace)
        if rules is None:
            raise NotFound(
                f'{role_kind.singular}.{GROUP} "{role["name"]}" not found',
                {"name": role["name"], "group": GROUP, "kind": role_kind.singular},
            )
        self._refuse_more(kind, name, namespace, rules)

    def _may(self, verb: str, resource: str, name: str, namespace: str) -> bool:
        wanted = Attributes(verb, GROUP, resource, namespace=namespace, name=name)
        return self._authorizer.decide(self.user, wanted).allowed

    def _refuse_more(self, kind: Kind, name: str, namespace: str, granted: list[Manifest]) -> None:
        held = self._authorizer.rules_for(self.user, namespace)
        more = missing(held.rules, granted)
        if not more:
            return
        why = (
            f'user "{self.user.name}" (groups={go_list(self.user.groups)}) is attempting to grant RBAC '
            f"permissions not currently held:\n{describe(more)}"
        )
        if held.problems:
            why += f"; resolution errors: [{' '.join(held.problems)}]"
        raise Forbidden.of(kind, name, why)


def _same(new: Manifest, old: Manifest) -> bool:
    """Whether only what the garbage collector needs has changed, if anything."""

    def content(obj: Manifest) -> Manifest:
        kept = {key: value for key, value in obj["metadata"].items() if key not in _COLLECTED}
        return {**obj, "metadata": kept}

    return content(new) == content(old)
