"""Secrets of type kubernetes.io/service-account-token: filled with a token that lasts as long as they do."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from dockyard.cluster.api import Api
from dockyard.cluster.manager import Controller, Key, KindController
from dockyard.cluster.store import Event, Manifest

_TYPE = "kubernetes.io/service-account-token"
_NAME, _UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def controller(api: Api) -> Controller:
    def secrets_of(event: Event) -> Iterable[Key]:
        listed = api.list("Secret", event.namespace, fields=f"type={_TYPE}")
        named = [secret for secret in listed if _account(secret) == event.name]
        return [Key(event.namespace, secret["metadata"]["name"]) for secret in named]

    return KindController(
        api, "serviceaccount-token", "Secret", reconcile, triggers={"ServiceAccount": secrets_of}
    )


def reconcile(api: Api, secret: Manifest) -> None:
    """Fill a Secret in, or delete it when its ServiceAccount has gone."""
    if secret.get("type") != _TYPE:
        return
    meta = secret["metadata"]
    account = api.find("ServiceAccount", _account(secret), meta["namespace"])
    annotations = meta.get("annotations") or {}
    uid = account["metadata"]["uid"] if account is not None else None
    if account is None or annotations.get(_UID, uid) != uid:
        api.delete("Secret", meta["name"], meta["namespace"], preconditions={"uid": meta["uid"]})
        return
    values = {"ca.crt": api.root_ca, "namespace": meta["namespace"]}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    data = {**(secret.get("data") or {}), **data}
    if not data.get("token"):
        # Differs: the token has the claims of those that TokenRequest issues, without a time of expiry;
        # upstream writes the flat claims of its first tokens here.
        token = api.tokens.issue(account, seconds=None, bound=secret).token
        data["token"] = base64.b64encode(token.encode()).decode()
    if data != secret.get("data") or annotations.get(_UID) != uid:
        api.update(
            "Secret", {**secret, "data": data, "metadata": {**meta, "annotations": annotations | {_UID: uid}}}
        )


def _account(secret: Manifest) -> str:
    return str((secret["metadata"].get("annotations") or {}).get(_NAME, ""))
