"""Lesson 90, a fake for tests: an exercise that needs no platform."""

from dockyard.exercises import CommandFailed, Live, Trial, exercise


def look(live: Live) -> str:
    """Reads what isn't there."""
    return f"{len(live.pods())} Pods"


@exercise(
    "90.1",
    title="Who is unready?",
    seconds=20,
    files=("query.py",),
    claims={
        "runs": "your function runs",
        "waiting": "a Pod whose container waits is found",
        "running": "a Pod that runs and isn't ready is found",
        "calm": "ready Pods are left out",
    },
    start="waiting",
    on="plain",
    hints=("Look at `ready`.", look, "Compare `ready`, not `phase`."),
    why="Ready is a condition of its own.",
)
def finds_unready(trial: Trial) -> None:
    """Write the query that lists unready Pods.

    **Goal:** every Pod that is not ready is listed.
    """
    states = [
        ("waiting", [{"name": "a", "ready": False, "phase": "Pending"}], ["a"]),
        ("running", [{"name": "b", "ready": False, "phase": "Running"}], ["b"]),
        ("calm", [{"name": "c", "ready": True, "phase": "Running"}], []),
    ]
    try:
        results = [trial.call("query.py", "unready", pods) for _, pods, _ in states]
    except CommandFailed as error:
        trial.require("runs", False, observed=str(error), hint="Run the file with python.")
    trial.require("runs", True)
    for (claim, pods, wanted), result in zip(states, results, strict=True):
        trial.expect(
            claim, result == wanted, observed=repr(result), expected=repr(wanted), hint=f"Try it on {pods}."
        )
