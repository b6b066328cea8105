"""When a CronJob is due: the last time that has passed, and the next (pkg/controller/cronjob/utils.go)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from dockyard.cluster import cron
from dockyard.cluster.podstate import unix

Manifest = dict[str, Any]

TOO_MANY = 100


class Due(NamedTuple):
    """`last` is the latest time that is due (Unix seconds) or None; `missed` is how many have passed."""

    last: float | None
    missed: int
    next: float | None


def zone_of(cronjob: Manifest) -> tzinfo:
    """The zone that the schedule is meant in.

    Differs: a CronJob without a `timeZone` means UTC, not the zone of the machine of the controllers.
    """
    name = cronjob["spec"].get("timeZone")
    return ZoneInfo(name) if name else UTC


def due(cronjob: Manifest, now: float) -> Due:
    """What of the schedule lies between the last run, or the deadline, and `now`. Raises ValueError."""
    schedule, zone = cron.parse(cronjob["spec"]["schedule"]), zone_of(cronjob)
    started = (cronjob.get("status") or {}).get("lastScheduleTime")
    earliest = unix(started or cronjob["metadata"]["creationTimestamp"])
    seconds = cronjob["spec"].get("startingDeadlineSeconds")
    if seconds is not None:
        earliest = max(earliest, now - float(seconds))
    last: float | None = None
    missed = 0
    moment = schedule.next(earliest, zone)
    while moment is not None and moment <= now:
        last, missed = moment, missed + 1
        if missed > TOO_MANY:
            last = _latest(schedule, zone, now) or last
            break
        moment = schedule.next(moment, zone)
    return Due(last, missed, schedule.next(now, zone))


def _latest(schedule: cron.Schedule, zone: tzinfo, now: float) -> float | None:
    """The last time before `now`, found by looking back twice as far each time."""
    span = 60.0
    while span < 366 * 86400.0:
        found = None
        moment = schedule.next(now - span, zone)
        while moment is not None and moment <= now:
            found, moment = moment, schedule.next(moment, zone)
        if found is not None:
            return found
        span *= 2
    return None


def stamp(moment: float, zone: tzinfo) -> str:
    """RFC 3339 in the zone of the schedule, as the annotation of a Job has it."""
    text = datetime.fromtimestamp(moment, zone).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
