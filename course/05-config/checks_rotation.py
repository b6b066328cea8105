"""Lesson 05, exercise 5: a new password for the database."""

from dockyard.exercises import CommandFailed, Live, Load, Trial, exercise, lives

USER, OLD = "till", "known-since-2019"
RATE = 5  # requests a second, each of which logs in to the database
KEPT = 4  # connections that the clients keep open, so that they stay with a Pod as long as it serves
SLOWEST = 20  # seconds to wait for an answer: a busy machine is slow, and slow is not lost
WITHIN = 120  # seconds for the whole rotation
AFTER = 2  # seconds that the load goes on when the last old Pod has left


def who_could_not_log_in(live: Live) -> str:
    """A hint from what the Pods of till complained about."""
    said = []
    for pod in live.list("pods", "app=till"):
        name = pod["metadata"]["name"]
        lines = [line for line in live.logs(name, tail=400).splitlines() if "not booked" in line]
        if lines:
            said.append(f"- `{name}` could not log in {len(lines)} times, the last time: `{lines[-1][:160]}`")
    if not said:
        return (
            "No Pod that is there now was ever refused by the database. Those that were are gone; run the check, and ask me while it runs, or "
            "read in the verdict when the first request failed: before the new Pods came, while both were there, or after?"
        )
    return "\n".join(said) + "\n\nWhich password did that Pod know, and which ones did the database accept at that moment?"


@exercise(
    "05.5",
    title="A new password, and nobody notices",
    seconds=270,
    files=("e5/till.yaml", "e5/rotate.sh"),
    baseline=("e5/database.yaml",),
    claims={
        "serves": "till books sales, and the database asks for a password",
        "runs": f"rotate.sh ends well, within {WITHIN} s",
        "zero": "no request fails, before, during and after the rotation",
        "rejected": "the old password is rejected at the end",
        "new": "till logs in with the new password",
    },
    start="zero",
    hints=(
        "In the seconds of the rotation there are Pods that know the old password, and Pods that know the new one. How many passwords has a "
        "role of PostgreSQL?",
        who_could_not_log_in,
        "Let two ways in exist side by side for a while. Close the first one when the last Pod that uses it is gone; `rollout status` ends "
        "before that.",
    ),
    why=(
        "A role has one password, so there is no moment at which it can change for the database and for all Pods at once. Two roles with the "
        "same rights give that moment a length: first both are open, then everybody moves over, and then the first one is closed."
    ),
)
def rotates_the_password(trial: Trial) -> None:
    """The password of `till` is in a Git history since 2019. It has to be replaced, at noon, with customers at every till. `till` logs in
    anew for each request, and there are two Pods of it.

    Change `e5/rotate.sh`, and `e5/till.yaml` if you like, so that all of this is true when `sh rotate.sh NEW-PASSWORD` has run:

    - no request has failed;
    - till logs in with the new password, and the old one opens nothing any more.

    Inside the Pod of the database you may do everything: `kubectl exec deploy/db -- psql -U owner shop`. The role `till` is a member of the
    role `cashiers`, and may do nothing that `cashiers` may not.

    **Measured:** 5 requests a second, on 4 connections that are kept open, while your script runs, once, with a password that you don't
    know. About 45 s, and two minutes if your script takes that long.
    """
    new = f"rotated-{trial.token}"
    opens, shut = _opens(trial, USER, OLD), _opens(trial, USER, new)
    trial.require(
        "serves",
        trial.available("till", within=60) and opens and shut is False and trial.until(lambda: trial.request("http://till/").ok, within=15),
        observed="; ".join(trial.live.warnings()[:2]) or "the database does not ask for the password",
        hint=f"`kubectl -n {trial.namespace} describe pod -l app=till`, and `logs`",
    )
    with trial.load("http://till/", rate=RATE, timeout=SLOWEST, connections=KEPT) as load:
        trial.until(lambda: len(load.ok) >= 2 * RATE, within=20)
        code, said = _rotate(trial, new)
        trial.until(lambda: len(trial.list("pods", "app=till")) == len(trial.pods("app=till")), within=30)
        trial.wait(AFTER)
    trial.expect(
        "runs",
        code == 0,
        observed=f"no end within {WITHIN} s" if code is None else f"exit code {code}: {_last(said)}",
        expected="exit code 0",
        hint="The message is the command's own; a script without `set -e` goes on after a command that failed.",
    )
    trial.expect(
        "zero",
        len(load) > 3 * RATE and not load.failed,
        observed=_failures(trial, load),
        expected="0 failed",
        hint="Who asked with which password, and which ones did the database accept at that moment? The logs of till say it.",
    )
    users = sorted({request.version for request in load.ok[-RATE:] if request.version})
    open_with_old = [user for user in dict.fromkeys([USER, *users]) if _opens(trial, user, OLD)]
    trial.expect(
        "rejected",
        not open_with_old,
        observed=f"{' and '.join(open_with_old)} can still log in with the old password",
        expected="nobody can",
        hint="Who has copied the old password is in as long as the database accepts it.",
    )
    trial.expect(
        "new",
        bool(users) and all(_opens(trial, user, new) for user in users),
        observed=f"at the end till logged in as {', '.join(users) or 'nobody'}, and not with the new password",
        hint="When does a process hear of a Secret that has changed? Exercise 2 was about that.",
    )
    trial.notes.append(f"{len(load)} requests, {len(load.failed)} failed; booked as: {load.ok.by('version')}")


def _rotate(trial: Trial, password: str) -> tuple[int | None, str]:
    """The script's exit code, None if it did not end, and what it said."""
    try:
        return trial.shell("e5/rotate.sh", password, within=WITHIN)
    except CommandFailed as failed:
        return None, str(failed)


def _opens(trial: Trial, user: str, password: str) -> bool:
    """Whether the database lets somebody in, over the network, with this password."""
    address = f"postgresql://{user}:{password}@127.0.0.1:5432/shop"
    try:
        trial.kubectl("exec", "deploy/db", "--", "psql", "-X", "-Atc", "SELECT 1", address)
    except CommandFailed as failed:
        if "FATAL" not in str(failed):
            raise  # it did not even ask
        return False
    return True


def _failures(trial: Trial, load: Load) -> str:
    """How many failed, and what the first one met."""
    failed = load.failed
    if not failed:
        return f"only {len(load)} requests were sent: this machine is too busy"
    first = failed[0]
    text = f"{len(failed)} of {len(load)} requests failed; the first with {first.label}"
    pod = next((life for life in lives(trial.seen) if life.name == first.pod), None)
    if pod is None:
        return text
    if pod.told is None or pod.told > first.end:
        return f"{text} from {pod.name}"
    return f"{text} from {pod.name}, {first.end - pod.told:.1f} s after that Pod was told to stop: until it is gone it serves"


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["(nothing)"])[-1]
