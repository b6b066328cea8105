"""A Pod's tokens as its projected volumes show them: made when first needed, and again in good time."""

from __future__ import annotations

from typing import NamedTuple

from dockyard.cluster.access.tokens import AUDIENCES
from dockyard.cluster.api import Api
from dockyard.cluster.errors import NotFound
from dockyard.cluster.node.env import ConfigError
from dockyard.cluster.store import Manifest

_DEFAULT_SECONDS = 3600
_OLDEST_SECONDS = 86400.0  # no token in a file grows older than that


class _Held(NamedTuple):
    token: bytes
    renew_at: float


class PodTokens:
    """The tokens of one Pod.

    Each is renewed when four fifths of its time have passed, at the Pod's next sync: as the kubelet does it.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._held: dict[tuple[str, int], _Held] = {}

    def token(self, pod: Manifest, source: Manifest) -> bytes:
        """The content of the file that a `serviceAccountToken` projection describes. Raises ConfigError."""
        audience = source.get("audience") or ""
        seconds = source.get("expirationSeconds") or _DEFAULT_SECONDS
        now = self._api.clock.now()
        held = self._held.get((audience, seconds))
        if held is None or now >= held.renew_at:
            held = self._held[audience, seconds] = self._issue(pod, audience, seconds, now)
        return held.token

    def _issue(self, pod: Manifest, audience: str, seconds: int, now: float) -> _Held:
        name = pod["spec"]["serviceAccountName"]
        try:
            account = self._api.get("ServiceAccount", name, pod["metadata"]["namespace"])
        except NotFound as error:
            raise ConfigError(f"failed to fetch token: {error.message}") from None
        audiences = (audience,) if audience else AUDIENCES
        issued = self._api.tokens.issue(account, audiences=audiences, seconds=seconds, bound=pod)
        return _Held(issued.token.encode(), now + min(seconds * 0.8, _OLDEST_SECONDS))
