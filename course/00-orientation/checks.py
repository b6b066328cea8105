"""Lesson 00, orientation: how each exercise is staged and judged."""

import json
import random

from dockyard.exercises import CommandFailed, Live, Trial, exercise


def what_the_pod_says(live: Live) -> str:
    """A hint from the Pod's own log and events."""
    log = live.logs("hello", tail=2).strip()
    warnings = live.warnings()
    said = f"Its log ends: `{log}`. " if log else ""
    return f"{said}The newest warning is: `{warnings[0] if warnings else 'none'}`. Which port does each of them name?"


@exercise(
    "00.1",
    title="A Pod is a dict",
    seconds=45,
    files=("e1/pod.py",),
    claims={
        "accepted": "the API server accepts your dict as a Pod named hello",
        "running": "its container runs and is ready",
        "answers": "it answers GET / on port 8080 with status 200",
    },
    start="running",
    hints=(
        "Two places in the dict have to agree on a port. Look at what each of them says.",
        what_the_pod_says,
        "`python -m http.server` takes the port as one more argument, and uses 8000 without it.",
    ),
    why=(
        "The Pod's readiness probe asks port 8080, and the process listens on the one that its command names. "
        "A port in a manifest opens nothing: it says where others will look."
    ),
)
def creates_a_pod(trial: Trial) -> None:
    """`e1/pod.py` returns a Pod as a Python dict: what `kubectl apply` sends when you give it YAML. The Pod never gets
    ready.

    Change the function so that the Pod `hello` runs, gets ready, and answers `GET /` on port 8080.

    **Measured:** the function is called, its dict is created as an object, and one request is sent to the Pod. About 5 s;
    20 s when the Pod does not get ready.
    """
    try:
        manifest = trial.call("e1/pod.py", "pod")
        trial.kubectl("create", "-f", "-", text=json.dumps(manifest))
    except CommandFailed as failed:
        trial.require("accepted", False, observed=str(failed)[-300:], hint="The message names the field.")
    trial.require(
        "accepted",
        trial.get("pods", "hello") is not None,
        observed="there is no Pod named hello",
        hint="Look at metadata.name.",
    )
    ready = trial.until(lambda: any(trial.is_ready(pod) for pod in trial.pods()), within=15)
    trial.require(
        "running",
        ready,
        observed="; ".join(trial.live.warnings()[:2]) or "not ready after 15 s",
        expected="ready within 15 s",
        hint=f"`kubectl -n {trial.namespace} describe pod hello`; the events are at its end",
    )
    address = trial.get("pods", "hello")["status"]["podIP"]

    def answer() -> bool:
        return trial.request(f"http://{address}:8080/", timeout=2).status == 200

    trial.expect(
        "answers",
        trial.until(answer, within=8),
        observed="no answer on port 8080",
        expected="status 200",
        hint="On which port does the process in the container listen?",
    )


@exercise(
    "00.2",
    title="Which Pods are not ready?",
    seconds=30,
    on="plain",
    files=("e2/unready.py",),
    claims={
        "running": "it finds Pods whose containers run and are not ready",
        "pending": "it finds Pods that have not started yet",
        "ready": "it leaves out the Pods that are ready",
    },
    start="running",
    hints=(
        "Phase `Running` says that containers were started. It says nothing about whether they can serve.",
        "`kubectl get pod NAME -o json` shows `status.conditions`. Which of them answers the question, and in which words? "
        "What does a Pod show that has no node yet?",
        "Ask for the condition of type Ready, and count everything but status \"True\" as not ready, a missing one included.",
    ),
    why=(
        "A condition is True, False or Unknown, and it may not be there yet. The only safe reading is to believe nothing "
        "but a True."
    ),
)
def lists_unready_pods(trial: Trial) -> None:
    """`unready(pods)` in `e2/unready.py` should name the Pods that are not ready. It asks for the phase, and misses most.

    Change it so that it is right for any list of Pods, those included that have not started.

    **Measured:** your function is called with three generated clusters, as the API would list them. About 3 s.
    """
    wrong: dict[str, str] = {}
    for seed in (trial.token + "1", trial.token + "2", trial.token + "3"):
        pods = _cluster(random.Random(seed))
        try:
            said = trial.call("e2/unready.py", "unready", [pod for _, pod in pods])
        except CommandFailed as failed:
            trial.require("running", False, observed=str(failed)[-300:], hint="The function raised; the message says where.")
        for state, pod in pods:
            name = pod["metadata"]["name"]
            missed = state != "ready" and name not in said
            if missed or (state == "ready" and name in said):
                wrong.setdefault(state, f"{name} was {'left out' if missed else 'named'}: {json.dumps(pod['status'])[:150]}")
    for state in ("running", "pending", "ready"):
        trial.expect(
            state,
            state not in wrong,
            observed=wrong.get(state, ""),
            hint="Which part of the status says whether the Pod may get requests?",
        )


def _cluster(chance: random.Random) -> list[tuple[str, dict]]:
    """Pods in all three states, in random order and number."""
    states = [state for state in ("ready", "running", "pending") for _ in range(chance.randint(1, 3))]
    chance.shuffle(states)
    return [(state, _pod(state, f"web-{chance.getrandbits(24):06x}")) for state in states]


def _pod(state: str, name: str) -> dict:
    """A Pod as the API lists it."""
    ready = state == "ready"
    status = {"phase": "Pending" if state == "pending" else "Running"}
    if state != "pending":
        truth = str(ready)
        status["conditions"] = [
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": truth},
            {"type": "ContainersReady", "status": truth},
            {"type": "PodScheduled", "status": "True"},
        ]
        status["containerStatuses"] = [{"name": "web", "ready": ready, "restartCount": 0}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": status}
