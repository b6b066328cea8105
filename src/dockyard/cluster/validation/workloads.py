"""What Deployments and the other kinds that make Pods may be (pkg/apis/apps/validation, batch/validation)."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dockyard.cluster import cron, names, selectors
from dockyard.cluster.fields import FieldErrors
from dockyard.cluster.validation import values
from dockyard.cluster.validation.pods import validate_pod_spec, validate_template

Manifest = dict[str, Any]


def validate_deployment(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        errors.invalid("spec.selector", spec.get("selector"), values.IMMUTABLE)
        return
    values.non_negative(spec["replicas"], "spec.replicas", errors)
    usable = _selector(spec, "deployment", errors)
    _check_template(spec, errors, selectable=usable)
    _strategy(spec["strategy"], errors)
    ready = spec.get("minReadySeconds", 0)
    values.non_negative(ready, "spec.minReadySeconds", errors)
    values.non_negative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", errors)
    deadline = spec["progressDeadlineSeconds"]
    values.non_negative(deadline, "spec.progressDeadlineSeconds", errors)
    if deadline <= ready:
        errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def validate_replicaset(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        errors.invalid("spec.selector", spec.get("selector"), values.IMMUTABLE)
        return
    values.non_negative(spec["replicas"], "spec.replicas", errors)
    values.non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds", errors)
    usable = _selector(spec, "replicaset", errors)
    _check_template(spec, errors, selectable=usable)


def validate_daemonset(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        errors.invalid("spec.selector", spec.get("selector"), values.IMMUTABLE)
        return
    usable = _selector(spec, "daemonset", errors)
    _check_template(spec, errors, selectable=usable)
    values.non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds", errors)
    _daemon_strategy(spec["updateStrategy"], errors)
    values.non_negative(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit", errors)


def _daemon_strategy(strategy: Manifest, errors: FieldErrors) -> None:
    path = "spec.updateStrategy"
    if strategy["type"] == "OnDelete":
        return
    if strategy["type"] != "RollingUpdate":
        errors.not_supported(f"{path}.type", strategy["type"], ("OnDelete", "RollingUpdate"))
        return
    here, rolling = f"{path}.rollingUpdate", strategy["rollingUpdate"]
    for name in ("maxUnavailable", "maxSurge"):
        values.int_or_percent(rolling[name], f"{here}.{name}", errors)
        values.not_over_hundred_percent(rolling[name], f"{here}.{name}", errors)
    down, up = _is_zero(rolling["maxUnavailable"]), _is_zero(rolling["maxSurge"])
    if not down and not up:
        what = "may not be set when maxUnavailable is non-zero"
        errors.invalid(f"{here}.maxSurge", rolling["maxSurge"], what)
    elif down and up:
        errors.required(f"{here}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def validate_statefulset(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        errors.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden",
        )
        return
    policy = spec["podManagementPolicy"]
    if policy not in ("OrderedReady", "Parallel"):
        errors.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    strategy = spec["updateStrategy"]
    if strategy["type"] not in ("OnDelete", "RollingUpdate"):
        errors.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    values.non_negative(partition, "spec.updateStrategy.rollingUpdate.partition", errors)
    values.non_negative(spec["replicas"], "spec.replicas", errors)
    values.non_negative(spec.get("minReadySeconds", 0), "spec.minReadySeconds", errors)
    values.non_negative((spec.get("ordinals") or {}).get("start", 0), "spec.ordinals.start", errors)
    claims = {}
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        claims[(claim.get("metadata") or {}).get("name", "")] = claim
        if not claim["spec"].get("accessModes"):
            path = f"spec.volumeClaimTemplates[{index}].spec.accessModes"
            errors.required(path, "at least 1 access mode is required")
    usable = _selector(spec, "statefulset", errors)
    _check_template(spec, errors, selectable=usable, claims=claims)


def _fixed(spec: Manifest) -> Manifest:
    free = (
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "revisionHistoryLimit",
    )
    return {key: value for key, value in spec.items() if key not in free}


def _selector(spec: Manifest, kind: str, errors: FieldErrors) -> bool:
    selector = spec.get("selector")
    if selector is None:
        errors.required("spec.selector")
        return True
    usable = values.label_selector(selector, "spec.selector", errors)
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.invalid("spec.selector", {}, f"empty selector is invalid for {kind}")
    if not usable:
        errors.invalid("spec.selector", selector, "invalid label selector")
    return usable


def _check_template(
    spec: Manifest,
    errors: FieldErrors,
    *,
    selectable: bool,
    claims: dict[str, Manifest] | None = None,
) -> None:
    template = spec["template"]
    labels = template["metadata"].get("labels")
    selector = spec.get("selector")
    empty = selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions")
    if selectable and not empty and not selectors.matches(selector, labels):
        errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if claims is None:
        validate_template(template, "spec.template", errors)
    else:
        names.check_labels(labels, "spec.template.labels", errors)
        validate_pod_spec(template["spec"], "spec.template.spec", errors, extra_volumes=claims)
    policy = template["spec"]["restartPolicy"]
    if policy in ("OnFailure", "Never"):
        errors.not_supported("spec.template.spec.restartPolicy", policy, ("Always",))


def _strategy(strategy: Manifest, errors: FieldErrors) -> None:
    kind, rolling = strategy["type"], strategy.get("rollingUpdate")
    path = "spec.strategy"
    if kind == "Recreate":
        if rolling is not None:
            errors.forbidden(
                f"{path}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
            )
        return
    if kind != "RollingUpdate":
        shown = {"Type": kind, "RollingUpdate": rolling}
        errors.not_supported(path, shown, ("Recreate", "RollingUpdate"))
        return
    assert rolling is not None
    down, up = rolling["maxUnavailable"], rolling["maxSurge"]
    here = f"{path}.rollingUpdate"
    values.int_or_percent(down, f"{here}.maxUnavailable", errors)
    values.int_or_percent(up, f"{here}.maxSurge", errors)
    if _is_zero(down) and _is_zero(up):
        errors.invalid(f"{here}.maxUnavailable", down, "may not be 0 when `maxSurge` is 0")
    values.not_over_hundred_percent(down, f"{here}.maxUnavailable", errors)


def _is_zero(value: Any) -> bool:
    return value in (0, "0%") or (isinstance(value, str) and re.fullmatch(r"0+%", value) is not None)


def validate_job(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec = obj["spec"]
    if old is not None:
        stored = old["spec"]
        if spec.get("selector") != stored.get("selector"):
            errors.invalid("spec.selector", spec.get("selector"), values.IMMUTABLE)
        if spec["template"] != stored["template"] and not (
            stored.get("suspend") and not old["status"].get("startTime")
        ):
            # Differs: upstream shows its internal struct here, we the template as it was sent.
            errors.invalid("spec.template", spec["template"], values.IMMUTABLE)
        for key in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex"):
            if spec.get(key) != stored.get(key):
                errors.invalid(f"spec.{key}", spec.get(key), values.IMMUTABLE)
        _job_completions(spec, stored, errors)
        return
    _job_numbers(spec, "spec", errors)
    uid = obj["metadata"]["uid"]
    selector = spec.get("selector") or {}
    generated = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    if not spec.get("manualSelector"):
        if selector != generated:
            errors.invalid("spec.selector", selector, "`selector` not auto-generated")
        labels = spec["template"]["metadata"].get("labels")
        if not selectors.matches(selector, labels):
            errors.invalid(
                "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
            )
    _job_template(spec, "spec", errors)


def _job_completions(spec: Manifest, stored: Manifest, errors: FieldErrors) -> None:
    wanted = spec.get("completions")
    if wanted == stored.get("completions"):
        return
    if spec.get("completionMode") != "Indexed":
        errors.invalid("spec.completions", wanted, values.IMMUTABLE)
    elif wanted != spec.get("parallelism"):
        errors.invalid("spec.completions", wanted, "can only be modified in tandem with spec.parallelism")


def _job_numbers(spec: Manifest, path: str, errors: FieldErrors) -> None:
    for key in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        values.non_negative(spec.get(key), f"{path}.{key}", errors)
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        errors.not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"), keep_order=True)
    elif mode == "Indexed" and spec.get("completions") is None:
        errors.required(f"{path}.completions", "when completion mode is Indexed")
    limit, most = spec.get("backoffLimitPerIndex"), spec.get("maxFailedIndexes")
    if limit is not None and mode != "Indexed":
        errors.invalid(f"{path}.backoffLimitPerIndex", limit, "requires indexed job")
    if most is not None and limit is None:
        errors.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")


def _job_template(spec: Manifest, path: str, errors: FieldErrors) -> None:
    validate_template(spec["template"], f"{path}.template", errors)
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy == "Always":
        errors.required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy == "OnFailure" and spec.get("podFailurePolicy") is not None:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.invalid(f"{path}.template.spec.restartPolicy", policy, text)


def validate_cronjob(obj: Manifest, old: Manifest | None, errors: FieldErrors) -> None:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    if old is None and len(name) > 52:
        errors.invalid("metadata.name", name, "must be no more than 52 characters")
    if not spec.get("schedule"):
        errors.required("spec.schedule")
    else:
        _schedule(spec["schedule"], errors)
    zone = spec.get("timeZone")
    if zone is not None:
        _time_zone(zone, errors)
    values.one_of(spec["concurrencyPolicy"], ("Allow", "Forbid", "Replace"), "spec.concurrencyPolicy", errors)
    job = spec["jobTemplate"]["spec"]
    _job_numbers(job, "spec.jobTemplate.spec", errors)
    _job_template(job, "spec.jobTemplate.spec", errors)
    values.non_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds", errors)
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        values.non_negative(spec.get(key), f"spec.{key}", errors)


def _time_zone(zone: str, errors: FieldErrors) -> None:
    if not zone:
        errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors.invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def _schedule(schedule: str, errors: FieldErrors) -> None:
    try:
        cron.parse(schedule)
    except ValueError as problem:
        errors.invalid("spec.schedule", schedule, str(problem))
