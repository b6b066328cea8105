"""Lesson 04, workloads and Services: how each exercise is staged and judged."""

import time
import tomllib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dockyard.exercises import ApiFailed, CommandFailed, Live, Trial, exercise

REPLICAS = 3
SLOW_START = 4  # seconds that orders takes to start in E3
RELEASE = {"PORT": "8080", "APP_VERSION": "2"}  # what the release of E2 sets, besides containerPort
DATA = "data"  # the namespace of the database team in E4
STAY = 2  # Pods of orders that must stay ready while nodes are emptied, in E5


def who_is_selected(live: Live) -> str:
    """A hint from the Service's selector and the labels of the Pods that are there."""
    service = live.get("services", "orders")
    if service is None:
        return "There is no Service orders. Whoever looks for it by its name finds nothing."
    wanted = service["spec"].get("selector") or {}
    labels = {tuple(sorted(_own_labels(pod).items())) for pod in live.pods()}
    shown = "; ".join(", ".join(f"{key}={value}" for key, value in pairs) for pairs in sorted(labels))
    asked = ", ".join(f"{key}={value}" for key, value in wanted.items()) or "nothing"
    return f"The Service asks for `{asked}`. The Pods say of themselves: `{shown}`. Every label that is asked for must be there."


def where_the_port_leads(live: Live) -> str:
    """A hint from the EndpointSlices and what the containers listen on."""
    ports = {
        port.get("port")
        for found in live.list("endpointslices", "kubernetes.io/service-name=orders")
        for port in found.get("ports") or ()
    }
    listening = {value for pod in live.pods("app=orders") if (value := _environment(pod).get("PORT"))}
    return (
        f"At this moment the Service leads to port {_words(ports)}, and the processes listen on {_words(listening)}. "
        "Where in your two files does this number stand, and what could stand there instead, so that only the Pod knows it?"
    )


def how_to_try(live: Live) -> str:
    """A hint with commands for two terminals, where no notebook says which namespace it is."""
    kubectl = f"kubectl -n {live.namespace}"
    crash = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/crash', b'')"
    return (
        f"Do it yourself first, and look at a clock. In one terminal `{kubectl} get pods -w`, in another `{kubectl} delete pod NAME`; "
        f'or make the process of a Pod end: `{kubectl} exec NAME -- python -c "{crash}"`.'
    )


def what_was_repaired(live: Live) -> str:
    """A hint from the events of the live system."""
    news = [event for event in live.list("events") if event["reason"] in ("BackOff", "SuccessfulCreate", "Started")]
    news.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    if not news:
        return "Nothing has happened yet. Break something, then ask me again: I read you its events."
    rows = [f"`{event['reason']}` from `{_component(event)}`: {event['message'][:90]}" for event in news[-4:]]
    return "The newest events:\n\n" + "\n".join(f"- {row}" for row in rows)


def what_the_quota_says(live: Live) -> str:
    """A hint from the warnings, or from the logs when the Pods are there."""
    refused = [text for text in live.warnings() if "quota" in text]
    if refused and (count := len(live.pods("app=orders"))) < 2:
        return f"Of two Pods {count or 'none'} could be created, and an event says why: `{refused[0][:300]}`"
    if not live.pods("app=orders"):
        return f"There is no Pod of orders, and no complaint. Is the exercise on stage? `kubectl -n {live.namespace} get all` shows what is there."
    for pod in live.pods("app=orders"):
        lines = live.logs(pod["metadata"]["name"], tail=60).strip().splitlines()
        said = next((line for line in reversed(lines) if "error" in line.lower() or "Unreachable" in line), "")
        if said:
            return f"The Pods are there, and `{pod['metadata']['name']}` says: `{said.strip()[:200]}`. Which name does it look up, and whose is it?"
    return f"The Pods are there and complain about nothing. Ask them: `kubectl -n {live.namespace} logs deployment/orders`, and `kubectl -n data get pods`."


def where_the_pods_are(live: Live) -> str:
    """A hint from the nodes of the Pods and the state of the budgets."""
    nodes = sorted({pod["spec"].get("nodeName") or "no node" for pod in live.pods("app=orders")})
    budgets = live.list("poddisruptionbudgets")
    if not nodes:
        return f"There is no Pod of orders. Is the exercise on stage? `kubectl -n {live.namespace} get all` shows what is there."
    if len(nodes) < REPLICAS:
        return f"Your Pods are on {len(nodes)} of the nodes: {', '.join(nodes)}. Which words in the template brought them there?"
    if not budgets:
        return "Your Pods are on three nodes. Who tells somebody who empties two of them, one right after the other, to wait?"
    status = budgets[0].get("status", {})
    return (
        f"Your budget covers {status.get('expectedPods', 0)} Pods, {status.get('currentHealthy', 0)} of them are healthy, "
        f"and it allows {status.get('disruptionsAllowed', 0)} to be evicted now."
    )


# 04.1


@exercise(
    "04.1",
    title="A Service without anybody",
    seconds=200,
    files=("e1/repair.sh",),
    baseline=("e1/shop.yaml",),
    claims={
        "runs": "repair.sh runs to its end",
        "endpoints": "the three Pods of orders are ready addresses of the Service",
        "shared": "100 requests are answered by all three of them",
        "only": "nobody but orders answers",
        "lasts": "the same is true after one of the Pods has been replaced",
    },
    start="endpoints",
    hints=(
        "A Service finds Pods by their labels. `kubectl -n $ns get pods --show-labels` and `get service -o wide` show both sides.",
        who_is_selected,
        "Change the side that is wrong, in a way that the next Pod inherits: the Service's selector, or the labels in the "
        "Deployment's template.",
    ),
    why=(
        "A selector is a question that is asked again with every change of a Pod; nothing is connected once and for all. So the "
        "answer must be true of every Pod that will ever come: it belongs into the Service, or into the template."
    ),
)
def finds_its_pods(trial: Trial) -> None:
    """The Service `orders` refuses every connection, and three Pods of orders are ready and idle. The `mailer` beside them is not
    to get their requests.

    Write the commands that repair it into `e1/repair.sh`, as you would type them, with `-n "$ns"`.

    **Measured:** your script runs once on a freshly broken system. 100 requests; then one Pod is deleted, and when its successor is
    ready, 100 more. About 25 s.
    """
    try:
        trial.sh("e1/repair.sh")
    except CommandFailed as failed:
        trial.require("runs", False, observed=str(failed)[-300:], hint="The message is the command's own.")
    trial.expect("runs", True)
    trial.available("orders", within=60)
    _three_answer(trial, ("endpoints", "shared"), f"Which Pods does the Service ask for? `kubectl -n {trial.namespace} get endpointslices` lists those it has found.")
    victim = trial.pods("part=api")[0]["metadata"]["name"]
    trial.say(f"deleting {victim}")
    trial.kubectl("delete", "pod", victim, "--wait=false")
    trial.until(lambda: trial.get("pods", victim) is None and trial.live.is_available("orders"), within=60)
    _three_answer(trial, ("lasts", "lasts"), "Where would the successor of a Pod get its labels from?")


def _three_answer(trial: Trial, claims: tuple[str, str], hint: str) -> None:
    """Expect three ready addresses, then that 100 requests reach these three Pods and nobody else."""
    mine = {pod["status"].get("podIP"): pod["metadata"]["name"] for pod in trial.pods("part=api")}
    found: set[str] = set()

    def listed() -> bool:
        found.clear()
        found.update(_ready_addresses(trial.live, "orders") & mine.keys())
        return len(found) == REPLICAS

    trial.require(
        claims[0],
        trial.until(listed, within=15),
        observed=f"{len(found)} of the {REPLICAS} Pods of orders are ready addresses",
        expected=f"{REPLICAS}",
        hint=hint,
    )
    trial.wait(1.5)  # nodes learn of a new address a moment after the API does
    with trial.load("http://orders/", rate=25, count=100) as load:
        load.collect(100, within=15)
    names = set(mine.values())
    answered = {request.pod for request in load.ok} & names
    trial.expect(
        claims[1],
        len(answered) == REPLICAS,
        observed=f"{len(answered)} of the {REPLICAS} Pods answered; {load!r}",
        expected=f"answers from {REPLICAS} Pods",
        hint=hint,
    )
    strangers = [request for request in load if request.pod not in names]
    trial.require(
        "only",
        not strangers,
        observed=f"{len(strangers)} of {len(load)} requests were not answered by orders, but: {_strangers(load, names)}",
        expected="every answer from orders",
        hint="Which other Pods have all the labels that the Service now asks for?",
    )


def _strangers(load: Any, names: set[str]) -> str:
    others = {request.label if not request.ok else request.pod or "the mailer" for request in load if request.pod not in names}
    return ", ".join(sorted(others))


# 04.2


@exercise(
    "04.2",
    title="The port moves, the Service stays",
    seconds=180,
    files=("e2/service.yaml", "e2/orders.yaml"),
    claims={
        "serves": "orders answers through its Service before the release",
        "moved": "two Pods of version 2 get ready, listening on port 8080",
        "continuous": "at most 1 request in 100 fails while the port moves, and version 2 answers at the end",
        "untouched": "the Service is the same before and after",
    },
    start="moved",
    hints=(
        "The number 8000 stands in four places. The release changes two of them.",
        where_the_port_leads,
        "A container port may have a name. Services and probes take a name wherever they take a number.",
    ),
    why=(
        "A named targetPort is looked up in every Pod for itself. During the release the Service leads to 8000 in the old Pods and to "
        "8080 in the new ones, at the same time; two EndpointSlices show it."
    ),
)
def moves_its_port(trial: Trial) -> None:
    """Two Pods of orders listen on 8000. The next release listens on 8080: it sets `APP_VERSION` to 2, `PORT` to 8080 and
    `containerPort` to 8080, and changes nothing else. The Service belongs to somebody else, who is on holiday when it comes out.

    Change `e2/service.yaml` and `e2/orders.yaml` *now*, so that the release needs nobody, and its users notice nothing.

    **Measured:** 10 requests a second while the check makes the release. About 30 s; 75 s when the release stands still.
    """
    trial.require(
        "serves",
        trial.available("orders", within=40) and trial.until(lambda: trial.request("http://orders/").ok, within=8),
        observed="; ".join(trial.live.warnings()[:2]) or "version 1 does not answer at http://orders/",
        hint="Before the release the process listens on 8000. Where does the Service lead?",
    )
    before = _face(trial, "orders")
    with trial.load("http://orders/", rate=10) as load:
        load.collect(20)
        trial.say("releasing version 2, on port 8080")
        _release(trial)
        done = trial.until(lambda: trial.live.is_available("orders"), within=50)
        trial.until(lambda: not done or len(trial.list("pods", "app=orders")) == 2, within=15)
        trial.wait(3)
    trial.expect(
        "moved",
        done and all(_environment(pod).get("PORT") == "8080" for pod in trial.pods("app=orders")),
        observed="; ".join(trial.live.warnings()[:1]) or "the rollout did not end within 50 s",
        expected="two ready Pods of version 2",
        hint=f"What do the new Pods wait for? `kubectl -n {trial.namespace} describe pods` says which question gets a no.",
    )
    late = [request.version for request in load.requests[-10:]]
    enough = len(load.failed) <= len(load) / 100
    trial.expect(
        "continuous",
        None if enough and not done else enough and set(late) == {"2"},  # whether 2 answers, nobody has seen yet
        observed=f"{load!r}; the last ten answers came from version {', '.join(sorted(set(late))) or 'none'}",
        expected=f"at most {len(load) // 100} failed of {len(load)}",
        hint=f"To which port of a new Pod did the Service lead? `kubectl -n {trial.namespace} get endpointslices` shows it.",
    )
    trial.expect("untouched", _face(trial, "orders") == before, observed="its spec has changed")


def _release(trial: Trial) -> None:
    """Version 2: two variables and one number, in whatever Deployment the learner wrote."""
    deployment = trial.get("deployments", "orders")
    assert deployment is not None
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for entry in container.get("env", ()):
            if entry["name"] in RELEASE:
                entry["value"] = RELEASE[entry["name"]]
        for port in container.get("ports", ()):
            port["containerPort"] = 8080 if port["containerPort"] == 8000 else port["containerPort"]
    deployment["metadata"].pop("resourceVersion", None)  # the controller writes its status meanwhile
    trial.live.call("PUT", trial.live.path("deployments", "orders"), deployment)


def _face(trial: Trial, service: str) -> Any:
    """What a Service's owner would call the Service."""
    found = trial.get("services", service) or {"spec": {}}
    return found["spec"].get("ports"), found["spec"].get("selector"), found["spec"].get("clusterIP")


# 04.3


@dataclass(frozen=True)
class Prediction:
    """One section of predictions.toml."""

    seconds: float
    by: str
    event: str


REPAIRS = {
    "crash": {("kubelet", reason) for reason in ("Pulled", "Created", "Started")},
    "crash-again": {("kubelet", reason) for reason in ("Pulled", "Created", "Started", "BackOff")},
    "delete": {("replicaset-controller", "SuccessfulCreate")},
}


@exercise(
    "04.3",
    title="Who repairs what, and how fast",
    seconds=200,
    files=("e3/predictions.toml",),
    baseline=("e3/orders.yaml",),
    claims={
        "read": "predictions.toml has three sections with seconds, by and event",
        "heals": "each time two Pods are ready again, and nobody did anything",
        "crash": "your prediction for a crash is right within a factor of 2",
        "again": "your prediction for the next crash is right within a factor of 2",
        "delete": "your prediction for a deleted Pod is right within a factor of 2",
        "named": "the cluster's events show the repair that you named, each time",
    },
    start="crash",
    hints=(
        how_to_try,
        what_was_repaired,
        "Every repair ends with a start, and orders needs 4 s for that. Ask for each repair what comes before the start: a wait, "
        "a new Pod, or nothing.",
    ),
    why=(
        "The kubelet restarts a container in its Pod: at once the first time, 10 s after the crash the second time. The ReplicaSet's controller "
        "replaces a Pod as soon as its deletion begins, so the grace period of the old one costs nobody anything."
    ),
)
def predicts_the_repair(trial: Trial) -> None:
    """Two Pods of orders, each of which needs 4 s to start. Three things are going to happen to them, and nobody will help.

    Fill in `e3/predictions.toml`: for how many seconds are fewer than two Pods ready, who repairs it, and which event tells of it? Try
    it out as often as you like in this exercise's namespace; the check then does it with fresh Pods.

    **Measured:** the process of one Pod crashes; it crashes once more as soon as it is ready; another Pod is deleted. About 45 s.
    """
    predictions = _predictions(trial)
    pod = trial.pods("app=orders")[0]["metadata"]["name"]
    faults = {"crash": _crash, "crash-again": _crash, "delete": _delete}
    measured: dict[str, float] = {}
    seen: dict[str, set[tuple[str, str]]] = {}
    starts: dict[str, float] = {}
    for name, fault in faults.items():
        trial.say(f"{name}: {pod}")
        start = fault(trial, pod)
        trial.until(lambda: _ready(trial) < 2, within=10, every=0.05)
        back = trial.until(lambda: _ready(trial) >= 2, within=60)
        measured[name] = time.time() - start
        starts[name] = _longest_start(trial)
        trial.require("heals", back, observed=f"{_ready(trial)} of 2 ready, {measured[name]:.0f} s after: {name}")
        # An event may be written a moment after what it tells.
        trial.until(lambda at=start, what=name: _events(trial, at) & REPAIRS[what], within=5)
        seen[name] = _events(trial, start)
    trial.expect("heals", True)
    for name, claim in (("crash", "crash"), ("crash-again", "again"), ("delete", "delete")):
        said, was = predictions[name].seconds, measured[name]
        trial.notes.append(f"{name}: you said {said:g} s; it took {was:.1f} s.")
        if (start := starts[name]) > 2 * SLOW_START:
            trial.cannot(claim, f"a start alone took {start:.0f} s instead of {SLOW_START} s, so this machine is too busy")
            continue
        trial.expect(
            claim,
            said > 0 and was / 2 <= said <= was * 2,
            observed=f"{was:.1f} s",
            expected=f"you said {said:g} s",
            hint="What had to happen before the process could start, and how long does it then need?",
        )
    wrong = [
        f"{name}: {each.by or '...'} with {each.event or '...'}"
        for name, each in predictions.items()
        if (each.by, each.event) not in REPAIRS[name] & seen[name]
    ]
    trial.expect(
        "named",
        not wrong,
        observed="; ".join(wrong),
        expected="who did it, and an event of his that tells of the repair",
        hint=f"`kubectl -n {trial.namespace} get events -o wide` lists reasons, and under SOURCE who wrote them; `describe pods` and `describe "
        "replicasets` name him in the column From.",
    )


def _predictions(trial: Trial) -> dict[str, Prediction]:
    """What the learner committed to. Ends the trial when it can't be read."""
    try:
        said = tomllib.loads((trial.answers / "e3/predictions.toml").read_text())
        found = {
            name: Prediction(float(said[name]["seconds"]), str(said[name]["by"]).strip(), str(said[name]["event"]).strip())
            for name in REPAIRS
        }
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as wrong:
        trial.require("read", False, observed=f"{type(wrong).__name__}: {wrong}", hint="Keep the file's form; `reset` shows it again.")
        raise AssertionError("require ends the trial") from wrong
    trial.expect("read", True)
    return found


def _crash(trial: Trial, pod: str) -> float:
    """Make the Pod's process end; when that was."""
    found = trial.get("pods", pod)
    assert found is not None
    return trial.request(f"http://{found['status']['podIP']}:8000/crash", method="POST", timeout=2).t


def _delete(trial: Trial, pod: str) -> float:
    """Delete the Pod, and wait for nothing; when that was."""
    start = time.time()
    trial.kubectl("delete", "pod", pod, "--wait=false")
    return start


def _longest_start(trial: Trial) -> float:
    """The most seconds that a Pod needed from its container's start to its readiness; the API counts whole ones."""
    longest = 0.0
    for pod in trial.pods("app=orders"):
        ready = next((each for each in pod["status"].get("conditions", ()) if each["type"] == "Ready"), None)
        for status in pod["status"].get("containerStatuses", ()):
            started = status.get("state", {}).get("running", {}).get("startedAt")
            if started and ready and ready["status"] == "True":
                took = datetime.fromisoformat(ready["lastTransitionTime"]) - datetime.fromisoformat(started)
                longest = max(longest, took.total_seconds())
    return longest


def _ready(trial: Trial) -> int:
    return sum(trial.is_ready(pod) for pod in trial.pods("app=orders"))


def _events(trial: Trial, since: float) -> set[tuple[str, str]]:
    """Who told what since then, as (component, reason)."""
    return {(_component(change.object), change.object["reason"]) for change in trial.seen.of("events") if change.t >= since}


# 04.4


@exercise(
    "04.4",
    title="Neighbours in other namespaces",
    seconds=210,
    files=("e4/orders.yaml",),
    wants=("namespaces", "quotas"),
    baseline=("e4/quota.yaml",),
    claims={
        "there": "the database of the namespace data is ready",
        "admitted": "both Pods of orders are created, within the team's quota",
        "answers": "a Pod in another namespace gets an answer from orders",
        "same": "an order placed with orders is in the database of the namespace data",
    },
    start="admitted",
    hints=(
        "Two things are wrong, one after the other. First: nobody has created a Pod, and somebody has said why. "
        "`kubectl -n $ns describe replicaset` has it.",
        what_the_quota_says,
        "Say what each Pod asks for, in both resources, so that two of them fit. Then give the database's name as one says it from "
        "another namespace.",
    ),
    why=(
        "A quota on requests refuses a Pod that asks for nothing, because it could not be counted. And `db` is short for `db` in the Pod's own "
        "namespace; from outside its first two names are needed, the Service's and the namespace's."
    ),
)
def reaches_another_namespace(trial: Trial) -> None:
    """The database team has taken Postgres into a namespace of its own, `data`, and your team's namespace has got a quota. Your
    `e4/orders.yaml` is from before, and not a single Pod of it starts.

    Change it so that both Pods run within the quota and use the database in `data`. The quota and the database stay as they are.

    **Measured:** your Pods; one request from a Pod in `data`; one order, placed through orders and looked for in that database.
    About 25 s; 75 s when orders does not find it.
    """
    _database(trial)
    counted = trial.until(lambda: len(trial.pods("app=orders")) == 2, within=12)
    trial.require(
        "admitted",
        counted,
        observed=next((text for text in trial.live.warnings() if "quota" in text), "")[:300]
        or f"{len(trial.pods('app=orders'))} Pods of orders are there",
        expected="2 Pods",
        hint="What does the quota count, and what do your containers ask for?",
    )
    ready = trial.available("orders", within=50)
    address = f"http://orders.{trial.namespace}/orders"
    trial.require(
        "answers",
        ready and trial.until(lambda: trial.request(address, ns=DATA).status == 200, within=8),
        observed=_last_words(trial) if not ready else f"no answer from {address}",
        expected=f"status 200 from {address}",
        hint="Under which name do your Pods look for the database, and in which namespace is that name looked up?",
    )
    order = f'{{"customer": "{trial.token}", "item": "lamp", "quantity": 1}}'
    placed = trial.request(address, method="POST", body=order, ns=DATA).status
    query = f"SELECT count(*) FROM orders WHERE customer = '{trial.token}'"
    try:
        asked = ("psql", "postgresql://orders:orders@127.0.0.1/orders", "-Atc", query)
        count = trial.kubectl("--namespace", DATA, "exec", "deployment/db", "--", *asked).strip()
    except CommandFailed as failed:
        count = str(failed)[-120:]
    trial.expect(
        "same",
        placed == 201 and count == "1",
        observed=f"status {placed} for the order; in the database of {DATA}: {count}",
        expected="status 201, and 1 row",
        hint="Which database do your Pods write to?",
    )


def _database(trial: Trial) -> None:
    """The other namespace and what is in it; several trials may share it."""
    refusals: list[str] = []

    def applied() -> bool:
        try:
            trial.kubectl("--namespace", DATA, "apply", "-f", "e4/data.yaml")
        except CommandFailed as failed:
            refusals.append(str(failed)[-200:])  # two trials at once may both find nothing, and both create
            return False
        return True

    if not trial.until(applied, within=5, every=0.5):
        trial.cannot("there", f"the namespace {DATA} cannot be set up: {refusals[-1]}")
        trial.require("there", None)
    there = Live(DATA, trial.backend.kubeconfig)
    trial.say(f"waiting for the database in {DATA}")
    trial.require(
        "there",
        trial.until(lambda: there.is_available("db"), within=60),
        observed="; ".join(there.warnings()[:2]) or "it is not available",
        hint="`kubectl -n data get pods`",
    )


def _last_words(trial: Trial) -> str:
    """What a Pod that doesn't get ready says last, its own events included."""
    for pod in trial.pods("app=orders"):
        lines = trial.live.logs(pod["metadata"]["name"], tail=80).splitlines()
        said = [line.strip() for line in lines if "error" in line.lower() or "Unreachable" in line]
        if said:
            return f"{pod['metadata']['name']}: {said[-1][:200]}"
    return "; ".join(trial.live.warnings()[:2]) or "orders does not become available"


# 04.5


@exercise(
    "04.5",
    title="Three nodes, two maintenances",
    seconds=180,
    files=("e5/orders.yaml",),
    wants=("nodes",),
    claims={
        "serves": "three Pods of orders are ready",
        "apart": "they run on three nodes",
        "emptied": "each node's Pods can be evicted, one node right after the other",
        "kept": f"at least {STAY} Pods of orders are ready all along",
    },
    start="apart",
    hints=(
        "Two questions: where does the scheduler put a Pod, and how many may somebody take away at once? Each has an object or a field "
        "of its own.",
        where_the_pods_are,
        "Turn the affinity of the Pods to one another around, or spread them over a topology. Then add a PodDisruptionBudget that "
        "always allows one eviction, and never two.",
    ),
    why=(
        "Spreading decides where Pods go, once, when they are scheduled; it protects from a node that fails. The budget decides how "
        "many may be evicted at a time; it protects from people, and from tools that act for them. Neither does the other's work."
    ),
)
def survives_maintenance(trial: Trial) -> None:
    """Tonight the nodes get a new kernel. Somebody will empty one node, bring it back, and go on to the next at once. Three Pods of
    orders run close together, and each needs a few seconds to start.

    Change `e5/orders.yaml`, and add to it what is missing, so that the three Pods are on three nodes, and at least two of them are ready all
    along, and nobody has to wait for ever.

    **Measured:** the Pods of each node are evicted as `kubectl drain` does it, node after node, without a pause. About 35 s.
    """
    trial.require(
        "serves",
        trial.available("orders", within=60),
        observed="; ".join(trial.live.warnings()[:2]),
        hint=f"`kubectl -n {trial.namespace} describe pod -l app=orders`",
    )
    nodes = list(dict.fromkeys(pod["spec"]["nodeName"] for pod in trial.pods("app=orders")))
    if len(nodes) < REPLICAS and (there := _nodes(trial)) < REPLICAS:
        trial.cannot("apart", f"this cluster has {there} nodes that take Pods, and it needs three")
        trial.require("apart", None)
    trial.require(
        "apart",
        len(nodes) == REPLICAS,
        observed=f"all on {', '.join(nodes)}" if len(nodes) == 1 else f"on {len(nodes)} nodes: {', '.join(nodes)}",
        expected="on 3 nodes",
        hint="Which part of the template speaks about other Pods?",
    )
    start = time.time()
    stuck = ""
    for node in nodes:
        trial.say(f"emptying {node}")
        if stuck := _evict_from(trial, node, within=30):
            break
    end = time.time()
    trial.until(lambda: trial.live.is_available("orders"), within=25)
    lowest = min((count for _, count in trial.seen.ready("orders", start, end + 5)), default=0)
    trial.expect(
        "emptied",
        not stuck,
        observed=stuck,
        expected="every eviction is allowed sooner or later",
        hint=f"`kubectl -n {trial.namespace} get poddisruptionbudget` has a column ALLOWED DISRUPTIONS. Can it ever be more than 0?",
    )
    trial.expect(
        "kept",
        lowest >= STAY,
        observed=f"at one moment {lowest} were ready",
        expected=f"always {STAY} or more",
        hint="Who could have said no to the second eviction? An eviction, unlike a deletion, asks first.",
    )


def _evict_from(trial: Trial, node: str, *, within: float) -> str:
    """Evict what of orders is on a node, asking again while it is refused; what stayed, or ""."""
    names = [pod["metadata"]["name"] for pod in trial.pods("app=orders") if pod["spec"].get("nodeName") == node]
    for name in names:
        refused = ""

        def evicted(name: str = name) -> bool:
            nonlocal refused
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": trial.namespace}}
            try:
                trial.live.call("POST", trial.live.path("pods", name) + "/eviction", body)
            except ApiFailed as error:
                refused = str(error)
                return error.code == 404
            return True

        if not trial.until(evicted, within=within, every=0.5):
            return f"{name} could not be evicted from {node} within {within:.0f} s: {refused}"
    return ""


def _nodes(trial: Trial) -> int:
    """How many nodes take Pods; 0 when we may not ask."""
    try:
        items = trial.live.call("GET", "/api/v1/nodes")["items"]
    except ApiFailed:
        return 0
    return sum(not item["spec"].get("unschedulable") and not item["spec"].get("taints") for item in items)


# What several of them ask


def _ready_addresses(live: Live, service: str) -> set[str]:
    return {
        address
        for found in live.list("endpointslices", f"kubernetes.io/service-name={service}")
        for endpoint in found.get("endpoints") or ()
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    }


def _own_labels(pod: dict[str, Any]) -> dict[str, str]:
    """The labels that somebody wrote."""
    labels = pod["metadata"].get("labels") or {}
    return {key: value for key, value in labels.items() if key != "pod-template-hash" and "/" not in key}


def _environment(pod: dict[str, Any]) -> dict[str, str]:
    return {
        entry["name"]: entry.get("value", "") for container in pod["spec"]["containers"] for entry in container.get("env", ())
    }


def _component(event: dict[str, Any]) -> str:
    return str((event.get("source") or {}).get("component") or event.get("reportingComponent") or "")


def _words(values: set[Any]) -> str:
    return " and ".join(sorted(map(str, values))) or "nothing"
