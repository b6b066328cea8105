"""Lesson 00, orientation: how each exercise is staged and judged."""

import json
import random
from typing import Any

from dockyard.exercises import CommandFailed, Live, Trial, exercise


def what_the_pod_says(live: Live) -> str:
    """A hint from the command that the Pod's container was started with, and the events."""
    pod = live.get("pods", "hello")
    if pod is None:
        return 'There is no Pod named hello. Run the check once: it creates the one that your function returns.'
    command = " ".join(pod["spec"]["containers"][0].get("command") or ["what its image says"])
    warnings = live.warnings()
    return (
        f"The container was started with `{command}`. The newest warning is: `{warnings[0] if warnings else 'none'}`. "
        "On which port does the process listen, and which port is asked?"
    )


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
        "`kubectl -n $ns get pods -o json` shows `status.conditions` of the Pods from above. Which of them answers the question, "
        "and in which words? What does a Pod show that has no node yet?",
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


PATIENCE = 12  # seconds that a break must last in E3: longer than any repair of a Pod takes here
KEPT = 3


def what_should_be(live: Live) -> str:
    """A hint from what the objects say should be, and what is."""
    web = live.get("deployments", "web")
    if web is None:
        return "There is no Deployment web any more, so nobody keeps Pods for it. Is that how you wanted to break it? Then write it down."
    pods = live.pods("app=web")
    ready = sum(live.is_ready(pod) for pod in pods)
    return (
        f"The Deployment says that {web['spec'].get('replicas', 1)} Pods should be there; {len(pods)} are, {ready} of them ready. As long as "
        "the first number stays, somebody works against you. Which object says who should get the requests?"
    )


def how_many_there_are(live: Live) -> str:
    """A hint from the Pods that the learner's loop has made."""
    names = [pod["metadata"]["name"] for pod in live.pods("app=mine")]
    return (
        f"There are {len(names)} Pods with the label now: {', '.join(names) or 'none'}. What should one call do about that, and what does "
        "yours do? Its first question has to be what is there."
    )


@exercise(
    "00.3",
    title="Break it so that it stays broken",
    seconds=120,
    files=("e3/break.sh",),
    baseline=("e3/web.yaml",),
    claims={
        "works": "web answers before",
        "runs": "break.sh runs to its end",
        "broken": f"{PATIENCE} s later nobody answers for web",
        "back": "web answers again after a reset",
        "equal": "the reset wrote the objects anew, and they say the same as before",
    },
    start="broken",
    hints=(
        "A Pod that you take away comes back. Who brings it back, and where does that one read how many there should be?",
        what_should_be,
        "Change what should be: the Deployment's number, or the Service's selector, or take one of the two objects away.",
    ),
    why=(
        "Pods are only what is. The Deployment and the Service say what should be, and whoever changes those has the controllers on his side. "
        "A reset writes them as they were at the start; nobody has to remember what was broken."
    ),
)
def breaks_and_resets(trial: Trial) -> None:
    """Two Pods of `web` answer behind a Service. Break it: put commands into `e3/break.sh` after which nobody gets an answer from `http://web/`
    any more, within the namespace `$ns`.

    Then bring it back with `reset("00.3")`, here in the notebook. The check does both once more.

    **Measured:** requests before your script, 12 s after it, and after a reset; the objects before and after. About 25 s.
    """
    trial.require("works", trial.until(lambda: _answers(trial), within=15), observed="no answer from http://web/")
    before = _written(trial)
    try:
        trial.sh("e3/break.sh")
    except CommandFailed as failed:
        trial.require("runs", False, observed=str(failed)[-300:], hint="The message is the command's own.")
    trial.expect("runs", True)
    trial.say(f"waiting {PATIENCE} s: whoever wants to repair it may do so")
    trial.wait(PATIENCE)
    trial.require(
        "broken",
        not any(_answers(trial) for _ in range(3)),
        observed="web answers; somebody has repaired it, or it was never broken",
        expected="no answer from http://web/",
        hint=f"Who works against you? `kubectl -n {trial.namespace} get events -o wide` names them under SOURCE.",
    )
    trial.stage.prepare(trial.exercise, trial.answers, trial.say)  # what reset() does
    trial.expect("back", trial.until(lambda: _answers(trial), within=15), observed="no answer from http://web/ after the reset")
    after = _written(trial)
    changed = {name: (before[name][0], after.get(name, ("none", {}))[0]) for name in before}
    trial.notes += [f"{name}: resourceVersion {old} before, {new} after the reset." for name, (old, new) in changed.items()]
    trial.expect(
        "equal",
        all(after.get(name, ("", {}))[1] == spec and after[name][0] != version for name, (version, spec) in before.items()),
        observed="; ".join(f"{name}: {old}, then {new}" for name, (old, new) in changed.items()),
        expected="other resourceVersions, the same content",
        hint=f"Something outside of the two objects has changed. `kubectl -n {trial.namespace} get all` shows what is there.",
    )


def _answers(trial: Trial) -> bool:
    return trial.request("http://web/", timeout=2).status == 200


def _written(trial: Trial) -> dict[str, tuple[str, Any]]:
    """What somebody wrote of the objects, each with its resourceVersion; addresses are the cluster's to choose."""
    found = {}
    for kind in ("deployments", "services"):
        for item in trial.list(kind):
            spec = {key: value for key, value in item["spec"].items() if key not in ("clusterIP", "clusterIPs")}
            found[f"{kind}/{item['metadata']['name']}"] = (item["metadata"]["resourceVersion"], spec)
    return found


@exercise(
    "00.4",
    title="A controller of your own",
    seconds=120,
    files=("e4/keeper.py",),
    claims={
        "creates": "where nothing is, one call leads to three Pods",
        "rests": "a call that finds three Pods changes nothing",
        "heals": "a Pod that was deleted is replaced",
        "shrinks": "of five Pods three are left",
    },
    start="rests",
    hints=(
        "The function gives orders. A controller asks first. What does the second call find?",
        how_many_there_are,
        "List the Pods with the label, and compare: create as many as are too few, delete as many as are too many, leave out those that "
        "are being deleted.",
    ),
    why=(
        "It looks, compares, and writes the difference. It remembers nothing, so it can be started anew at any time, and it is right "
        "whatever happened in between. Kubernetes' own controllers are written like this."
    ),
)
def keeps_three(trial: Trial) -> None:
    """`reconcile(namespace)` in `e4/keeper.py` should keep three Pods with the label `app=mine`. It works once.

    Change it so that it may be called at any time, and again and again: it makes up for what is missing, takes away what is too many,
    and lets well alone.

    **Measured:** it is called in an empty namespace, then with three Pods, after one was deleted, and with five. When a call raises, it is called
    again, as a controller would be. About 25 s.
    """
    try:
        trial.call("e4/keeper.py", "reconcile", trial.namespace)
        failed = ""
    except CommandFailed as error:
        failed = str(error)[-250:]
    trial.require("creates", len(_mine(trial)) == KEPT, observed=failed or f"{len(_mine(trial))} Pods", expected="3 Pods")
    trial.until(lambda: sum(trial.is_ready(pod) for pod in trial.pods("app=mine")) == KEPT, within=25)
    before = _mine(trial)
    try:
        trial.call("e4/keeper.py", "reconcile", trial.namespace)
        said = ""
    except CommandFailed as error:
        said = str(error)[-250:]
    after = _mine(trial)
    trial.require(
        "rests",
        after == before and not said,
        observed=said or f"{len(after - before)} new Pods, {len(before - after)} gone",
        expected="the same three Pods, and no error",
        hint="What does the function know about what is there already?",
    )
    victim = trial.pods("app=mine")[0]["metadata"]["name"]
    trial.say(f"deleting {victim}")
    trial.kubectl("delete", "pod", victim, "--wait=false")
    trial.expect(
        "heals",
        _settles(trial) and not _mine(trial) <= before,
        observed=f"{len(_mine(trial))} Pods after several calls",
        expected="3 Pods, one of them new",
        hint="Does a Pod that is being deleted count as there?",
    )
    stranger = trial.pods("app=mine")[0]
    for number in range(2):
        spec = {"containers": [{"name": "web", "image": stranger["spec"]["containers"][0]["image"], "command": ["sleep", "600"]}]}
        metadata = {"name": f"stranger-{number}", "labels": {"app": "mine"}}
        extra = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "terminationGracePeriodSeconds": 1}}
        trial.kubectl("create", "-f", "-", text=json.dumps(extra))
    trial.expect(
        "shrinks",
        _settles(trial),
        observed=f"{len(_mine(trial))} Pods after several calls",
        expected="3 Pods",
        hint="The difference has two directions.",
    )


def _mine(trial: Trial) -> set[str]:
    """The Pods with the label that aren't being deleted, by uid."""
    return {pod["metadata"]["uid"] for pod in trial.pods("app=mine")}


def _settles(trial: Trial) -> bool:
    """Whether calls lead to three Pods; as a controller does it, a call that raises is tried again."""

    def called() -> bool:
        try:
            trial.call("e4/keeper.py", "reconcile", trial.namespace)
        except CommandFailed as error:
            trial.say(str(error)[-120:])
        return len(_mine(trial)) == KEPT

    return bool(trial.until(called, within=15, every=0.5))
