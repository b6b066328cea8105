"""HorizontalPodAutoscaler: every fifteen seconds as many replicas as its metrics ask for.

Source: kubernetes/pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dockyard.cluster import selectors
from dockyard.cluster.api import Api
from dockyard.cluster.autoscaling.behaviour import History, judge
from dockyard.cluster.autoscaling.metrics import Proposal, UnknownMetricError, propose
from dockyard.cluster.errors import ApiError
from dockyard.cluster.kinds import Kind
from dockyard.cluster.manager import Controller, Key, key_of
from dockyard.cluster.store import Event, Manifest

KIND = "HorizontalPodAutoscaler"
COMPONENT = "horizontal-pod-autoscaler"
SYNC_SECONDS = 15.0  # kube-controller-manager --horizontal-pod-autoscaler-sync-period


def controller(api: Api) -> Controller:
    return Autoscalers(api)


class _Stopped(Exception):
    """This sync goes no further; what there is to say has been said."""


class Autoscalers:
    """All autoscalers of a cluster; what they recommended is remembered here, and lost with a restart."""

    name = "horizontalpodautoscaler"

    def __init__(self, api: Api) -> None:
        self._api = api
        self._due: dict[Key, float] = {}
        self._histories: dict[str, History] = defaultdict(History)
        self._selectors: dict[Key, str] = {}

    def existing(self) -> Iterable[Key]:
        return [key_of(obj) for obj in self._api.list(KIND)]

    def keys(self, event: Event) -> Iterable[Key]:
        return (Key(event.namespace, event.name),) if event.kind == KIND else ()

    def reconcile(self, key: Key) -> float | None:
        """Sync an autoscaler when its time has come."""
        obj = self._api.find(KIND, key.name, key.namespace)
        if obj is None:
            self._due.pop(key, None)
            self._selectors.pop(key, None)
            return None
        now = self._api.clock.monotonic()
        due = self._due.setdefault(key, now + SYNC_SECONDS)
        if now < due:
            return due - now
        self._due[key] = now + SYNC_SECONDS
        _Sync(self._api, obj, self._histories[obj["metadata"]["uid"]], self._selectors).run()
        return SYNC_SECONDS


class _Sync:
    """One look at one autoscaler."""

    def __init__(self, api: Api, obj: Manifest, history: History, known: dict[Key, str]) -> None:
        self._api = api
        self._obj = obj
        self._spec = obj["spec"]
        self._history = history
        self._selectors = known
        self._status: Manifest = {key: value for key, value in obj["status"].items() if key != "conditions"}
        self._conditions = [dict(found) for found in obj["status"].get("conditions") or ()]

    def run(self) -> None:
        try:
            self._rescale(*self._target())
        except _Stopped:
            pass
        status = self._in_order()
        if status != self._obj["status"]:
            self._api.update_status(KIND, self._obj | {"status": status})

    def _target(self) -> tuple[Kind, Manifest]:
        """The kind of the target and its Scale."""
        reference = self._spec["scaleTargetRef"]
        api_version, named = reference.get("apiVersion", ""), reference["kind"]
        kind = self._api.kinds.of(api_version, named)
        try:
            if kind is None or "scale" not in kind.subresources:
                group = api_version.rpartition("/")[0]
                raise ApiError(f'no matches for kind "{named}" in group "{group}"')
            scale = self._api.scale(kind.id, reference["name"], self._obj["metadata"]["namespace"])
        except ApiError as error:
            self._tell("Warning", "FailedGetScale", error.message)
            why = f"the HPA controller was unable to get the target's current scale: {error.message}"
            self._set("AbleToScale", "False", "FailedGetScale", why)
            raise _Stopped from error
        found = "the HPA controller was able to get the target's current scale"
        self._set("AbleToScale", "True", "SucceededGetScale", found)
        return kind, scale

    def _rescale(self, kind: Kind, scale: Manifest) -> None:
        current: int = scale["spec"].get("replicas", 0)
        least, most = self._spec["minReplicas"], self._spec["maxReplicas"]
        statuses: list[Manifest] | None = None
        if current == 0 and least != 0:
            disabled = "scaling is disabled since the replica count of the target is zero"
            self._set("ScalingActive", "False", "ScalingDisabled", disabled)
            desired, reason = 0, ""
        elif current > most:
            desired, reason = most, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            desired, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            best, statuses = self._compute(scale, current)
            now = self._api.clock.now()
            judged = judge(self._spec, self._history, current, best.replicas, now)
            self._set("AbleToScale", *judged.able)
            self._set("ScalingLimited", *judged.limited)
            desired = judged.replicas
            reason = f"{best.name} above target" if best.replicas > current else "All metrics below target"
        if desired != current:
            self._scale(kind, current, desired, reason)
            self._status["lastScaleTime"] = self._api.now()
        self._status |= {"currentReplicas": current, "desiredReplicas": desired, "currentMetrics": statuses}

    def _scale(self, kind: Kind, current: int, desired: int, reason: str) -> None:
        metadata = self._obj["metadata"]
        name, namespace = self._spec["scaleTargetRef"]["name"], metadata["namespace"]
        change = {"spec": {"replicas": desired}}
        try:
            self._api.update_scale(kind.id, name, change, namespace=namespace)
        except ApiError as error:
            told = f"New size: {desired}; reason: {reason}; error: {error.message}"
            self._tell("Warning", "FailedRescale", told)
            why = f"the HPA controller was unable to update the target scale: {error.message}"
            self._set("AbleToScale", "False", "FailedUpdateScale", why)
            self._status["currentReplicas"] = current
            raise _Stopped from error
        done = f"the HPA controller was able to update the target scale to {desired}"
        self._set("AbleToScale", "True", "SucceededRescale", done)
        self._tell("Normal", "SuccessfulRescale", f"New size: {desired}; reason: {reason}")
        self._history.note_change(current, desired, self._api.clock.now())

    def _compute(self, scale: Manifest, current: int) -> tuple[Proposal, list[Manifest]]:
        """The metric that asks for most, and the status of all."""
        pods = self._pods(scale, current)
        best: Proposal | None = None
        statuses: list[Manifest] = []
        failures: list[UnknownMetricError] = []
        for metric in self._spec["metrics"]:
            try:
                proposal = propose(
                    metric, self._spec, current, pods, self._api.readings, self._api.clock.now()
                )
            except UnknownMetricError as error:
                self._tell("Warning", error.reason, str(error))
                failures.append(error)
                continue
            statuses.append(proposal.status)
            if best is None or proposal.replicas > best.replicas:
                best = proposal
        if best is None or (failures and best.replicas < current):
            first = failures[0]
            why = f"the HPA was unable to compute the replica count: {first}"
            self._set("ScalingActive", "False", first.reason, why)
            count = f"invalid metrics ({len(failures)} invalid out of {len(self._spec['metrics'])})"
            self._give_up(current, f"{count}, first error is: {first.summary}", statuses or None)
            raise _Stopped
        found = f"the HPA was able to successfully calculate a replica count from {best.name}"
        self._set("ScalingActive", "True", "ValidMetricFound", found)
        return best, statuses

    def _pods(self, scale: Manifest, current: int) -> list[Manifest]:
        """The target's Pods, unless another autoscaler has some of them."""
        text = scale["status"].get("selector", "")
        if not text:
            self._tell("Warning", "SelectorRequired", "selector is required")
            missing = "the HPA target's scale is missing a selector"
            self._set("ScalingActive", "False", "InvalidSelector", missing)
            self._give_up(current, "selector is required", None)
            raise _Stopped
        own = key_of(self._obj)
        self._selectors[own] = text
        pods = self._api.list("Pod", own.namespace, labels=text)
        others = {
            key
            for key, other in self._selectors.items()
            if key.namespace == own.namespace
            and any(selectors.parse_labels(other).matches(pod["metadata"].get("labels")) for pod in pods)
        }
        if len(others) > 1:
            listed = " ".join(sorted(str(key) for key in others))
            problem = f"pods by selector {text} are controlled by multiple HPAs: [{listed}]"
            self._tell("Warning", "AmbiguousSelector", problem)
            self._set("ScalingActive", "False", "AmbiguousSelector", problem)
            self._give_up(current, problem, None)
            raise _Stopped
        return pods

    def _give_up(self, current: int, problem: str, statuses: list[Manifest] | None) -> None:
        self._tell("Warning", "FailedComputeMetricsReplicas", problem)
        self._status |= {"currentReplicas": current, "currentMetrics": statuses}

    def _tell(self, type_: str, reason: str, message: str) -> None:
        self._api.record_event(self._obj, type_, reason, message, component=COMPONENT)

    def _set(self, type_: str, status: str, reason: str, message: str) -> None:
        for found in self._conditions:
            if found["type"] == type_:
                if found["status"] != status:
                    found["lastTransitionTime"] = self._api.now()
                found |= {"status": status, "reason": reason, "message": message}
                return
        self._conditions.append(
            {
                "type": type_,
                "status": status,
                "lastTransitionTime": self._api.now(),
                "reason": reason,
                "message": message,
            }
        )

    def _in_order(self) -> Manifest:
        """The status with its fields as upstream writes them; no replicas at all are left out."""
        status = {}
        for name in ("lastScaleTime", "currentReplicas", "desiredReplicas", "currentMetrics"):
            if name in self._status and not (name == "currentReplicas" and not self._status[name]):
                status[name] = self._status[name]
        return status | {"conditions": self._conditions}
