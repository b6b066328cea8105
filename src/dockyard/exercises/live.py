"""The live system of one namespace, read through the Kubernetes API: objects as the wire's dicts."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]
Manifests = list[Manifest]

# Kind as kubectl names it -> where it lives. Only what lessons ask for; `Live.list` explains the rest away.
_CORE, _APPS, _BATCH = "/api/v1", "/apis/apps/v1", "/apis/batch/v1"
KINDS: Mapping[str, str] = {
    "pods": _CORE,
    "services": _CORE,
    "configmaps": _CORE,
    "secrets": _CORE,
    "events": _CORE,
    "persistentvolumeclaims": _CORE,
    "serviceaccounts": _CORE,
    "resourcequotas": _CORE,
    "limitranges": _CORE,
    "deployments": _APPS,
    "replicasets": _APPS,
    "statefulsets": _APPS,
    "daemonsets": _APPS,
    "jobs": _BATCH,
    "cronjobs": _BATCH,
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
}
_SHORT = {
    "po": "pods",
    "svc": "services",
    "service": "services",
    "cm": "configmaps",
    "ev": "events",
    "pvc": "persistentvolumeclaims",
    "sa": "serviceaccounts",
    "quota": "resourcequotas",
    "limits": "limitranges",
    "deploy": "deployments",
    "rs": "replicasets",
    "sts": "statefulsets",
    "ds": "daemonsets",
    "hpa": "horizontalpodautoscalers",
    "networkpolicy": "networkpolicies",
    "netpol": "networkpolicies",
    "pdb": "poddisruptionbudgets",
}


class ApiFailed(Exception):
    """The API server answered with an error, or not at all, in its own words. `code` is the HTTP status."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def plural(kind: str) -> str:
    """`pod`, `Pod`, `po` and `pods` are all `pods`. Raises KeyError naming what is known."""
    name = kind.lower()
    for candidate in (name, _SHORT.get(name, ""), name + "s"):
        if candidate in KINDS:
            return candidate
    raise KeyError(f"{kind!r} is not a kind known here; known are {', '.join(KINDS)}")


def condition(obj: Manifest, type: str) -> bool:
    """Whether the object's status has the condition `type` with status "True"."""
    conditions = obj.get("status", {}).get("conditions") or ()
    return any(item["type"] == type and item["status"] == "True" for item in conditions)


class Stream:
    """A response that goes on: lines as they come, until either side closes."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        import urllib3

        rest = b""
        try:
            for chunk in self._response.stream(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            # Closed under our feet, by us or by the server: either way there is no more, and whoever reads
            # decides from what it got. AttributeError is urllib3's when closed between two reads.
            pass
        if rest and not self._closed:
            yield rest

    def close(self) -> None:
        """End the stream from any thread; a reader blocked in it returns."""
        self._closed = True
        try:
            self._response.shutdown()
        except (OSError, ValueError, AttributeError, RuntimeError):
            pass  # it has ended by itself
        self._response.close()


class Live:
    """Reads and, for staging, writes one namespace. Thread-safe; opens connections when first used."""

    def __init__(self, namespace: str, kubeconfig: Path) -> None:
        self.namespace = namespace
        self.kubeconfig = kubeconfig
        self._client: Any = None

    def _connection(self) -> Any:
        if self._client is None:
            from kubernetes import client, config  # half a second, and not every exercise needs it

            settings = client.Configuration()
            load: Any = config.load_kube_config  # it has no annotations
            try:
                load(config_file=str(self.kubeconfig), client_configuration=settings)
            except config.ConfigException as error:
                raise ApiFailed(f"no cluster in {self.kubeconfig}: {error}") from error
            settings.connection_pool_maxsize = 16
            settings.retries = False
            self._client = client.ApiClient(settings)
        return self._client

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Any, *, stream: bool, within: float
    ) -> Any:
        import urllib3

        api = self._connection()
        headers = {"Accept": "application/json", "User-Agent": "dockyard-course"}
        api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = api.configuration.host + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            response = api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=within, read=None if stream else within),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiFailed(f"the API server at {api.configuration.host} does not answer: {error}") from error
        if response.status >= 400:
            text = response.data.decode(errors="replace")
            try:
                text = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                pass  # not a Status object: the bare text says more than nothing
            raise ApiFailed(text, response.status)
        return response

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        within: float = 10,
    ) -> Manifest:
        """One request to the API server, JSON in and out. Raises ApiFailed with the server's message."""
        answer = self._send(method, path, query or {}, body, stream=False, within=within)
        document: Manifest = json.loads(answer.data or b"{}")
        return document

    def stream(self, path: str, query: Mapping[str, str]) -> Stream:
        """An answer that goes on (watch, log). Raises ApiFailed when the server refuses it."""
        return Stream(self._send("GET", path, query, None, stream=True, within=10))

    def path(self, kind: str, name: str = "") -> str:
        name_part = f"/{name}" if name else ""
        return f"{KINDS[plural(kind)]}/namespaces/{self.namespace}/{plural(kind)}{name_part}"

    def get(self, kind: str, name: str) -> Manifest | None:
        """The object, or None if there is none of that name."""
        try:
            return self.call("GET", self.path(kind, name))
        except ApiFailed as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: str, selector: str = "") -> Manifests:
        """The objects of a kind, `selector` being a label selector as kubectl -l takes it."""
        query = {"labelSelector": selector} if selector else {}
        items: Manifests = self.call("GET", self.path(kind), query=query)["items"]
        return items

    def pods(self, selector: str = "") -> Manifests:
        """The Pods that aren't being deleted."""
        return [pod for pod in self.list("pods", selector) if "deletionTimestamp" not in pod["metadata"]]

    @staticmethod
    def is_ready(pod: Manifest) -> bool:
        return condition(pod, "Ready")

    @staticmethod
    def restarts_of(pod: Manifest) -> int:
        """How often the containers of this Pod have been restarted."""
        return sum(status["restartCount"] for status in pod.get("status", {}).get("containerStatuses") or ())

    def is_available(self, deployment: str) -> bool:
        """Whether its newest template is rolled out, all replicas available: as `rollout status` waits."""
        found = self.get("deployments", deployment)
        if found is None:
            return False
        status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
        return bool(
            status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
            and status.get("updatedReplicas", 0) == wanted
            and status.get("availableReplicas", 0) == wanted
            and status.get("replicas", 0) == wanted
        )

    def logs(self, pod: str, *, previous: bool = False, tail: int = 50, container: str = "") -> str:
        """The last lines of a Pod's log; what the server says instead where there is none."""
        query = {"tailLines": str(tail), "previous": str(previous).lower()}
        if container:
            query["container"] = container
        try:
            answer = self._send("GET", self.path("pods", pod) + "/log", query, None, stream=False, within=10)
        except ApiFailed as error:
            return str(error)
        return str(answer.data.decode(errors="replace"))

    def warnings(self) -> Sequence[str]:
        """Recent Warning events as `reason: message`, newest first: what a hint most often needs."""
        events = [event for event in self.list("events") if event.get("type") == "Warning"]
        events.sort(
            key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", reverse=True
        )
        return list(dict.fromkeys(f"{event['reason']}: {event['message']}" for event in events))
