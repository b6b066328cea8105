"""Who asks: a name, groups, and where they are known from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MASTERS = "system:masters"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True)
class User:
    """Somebody; `extra` is what the authenticator adds, each key with its values."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        """Whether no rule is asked for this user, as in upstream for members of system:masters."""
        return MASTERS in self.groups

    def info(self) -> dict[str, Any]:
        """The authentication.k8s.io/v1 UserInfo; what is empty is left out."""
        made: dict[str, Any] = {"username": self.name}
        if self.uid:
            made["uid"] = self.uid
        if self.groups:
            made["groups"] = list(self.groups)
        if self.extra:
            made["extra"] = {key: list(values) for key, values in self.extra.items()}
        return made


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))


def account_name(namespace: str, name: str) -> str:
    """The user name of a ServiceAccount."""
    return f"{_ACCOUNT}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of a namespace, without system:authenticated."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def split_account(user: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user name stands for, or None."""
    if not user.startswith(_ACCOUNT):
        return None
    namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if namespace and name and ":" not in name else None
