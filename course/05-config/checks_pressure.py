"""Lesson 05, exercise 4: a node short of memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dockyard.exercises import ApiFailed, Live, Load, Manifest, Traffic, Trial, exercise

MEMORY = "512Mi"  # of the node
SERVICES = ("checkout", "search", "reports")  # in the order of their worth
PEAK = {"checkout": 205, "search": 135, "reports": 125}  # MiB that each process holds when business is good
MORE = 260  # MiB that search holds when it gets better still
NOTICED = 25  # seconds in which a kubelet has looked twice


def who_would_go(live: Live) -> str:
    """A hint that sets what each Pod requests against what it will need."""
    rows = []
    for name in SERVICES:
        deployment = live.get("deployments", name)
        if deployment is None:
            return "Nothing is on stage yet: `goto` the exercise, or run the check once."
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        requested = (container.get("resources") or {}).get("requests") or {}
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        quality = next((pod["status"].get("qosClass", "") for pod in live.pods(f"app={name}")), "")
        rows.append(
            f"- `{name}` needs {PEAK[name]} MiB at its peak, requests {requested.get('memory') or limit or 'nothing'}"
            f"{', may not take more than ' + limit if limit else ''} ({quality or 'no Pod yet'})"
        )
    return "At this moment, on the cluster:\n\n" + "\n".join(rows) + "\n\nWho is furthest beyond what it asked for?"


@exercise(
    "05.4",
    title="Who goes first",
    seconds=240,
    files=("e4/shop.yaml",),
    claims={
        "fits": f"the three Pods fit on a node of {MEMORY} and get ready there",
        "grows": "no container is killed by a limit of its own",
        "survives": "checkout is never evicted, and answers all along",
        "pressed": "the node runs short of memory",
        "order": "reports is evicted first, search next, and nobody else",
    },
    start="survives",
    hints=(
        "The events say who was evicted, how much it was using, and how much it had requested. "
        "`kubectl get events --field-selector reason=Evicted` shows them.",
        who_would_go,
        "Request for checkout what it needs at its peak, for search what it needs on a normal day, and for reports little or nothing. "
        "If you set limits, leave room for the peak.",
    ),
    why=(
        "A kubelet that runs short of memory evicts Pods that use more than they requested; among those the lowest priority goes first, "
        "then whoever is furthest beyond. checkout stays within its request, so it isn't among them as long as anybody else is."
    ),
)
def ranks_its_pods(trial: Trial) -> None:
    """Three services share a small node: `checkout` earns the money, `search` helps, and `reports` can wait until tomorrow. At the first
    sale of the year the node ran short of memory, and the kubelet chose checkout.

    | service | on a normal day | at its peak |
    |---|---|---|
    | `checkout` | 20 MiB | 210 MiB |
    | `search` | 20 MiB | 140, then 260 MiB |
    | `reports` | 20 MiB | 130 MiB |

    The node has 512 MiB, of which it keeps 100 free. Change `e4/shop.yaml` so that it evicts `reports` first and `search` next, and
    never touches checkout. All three must fit on it, and may use what is free.

    **Measured:** the check adds a node of 512 MiB, moves your three Deployments to it (it adds a nodeSelector and a toleration),
    and lets them grow. About 60 s.
    """
    with trial.node(memory=MEMORY) as node:
        if not node:
            trial.cannot("fits", "this backend can't add a node that may run short of memory")
            trial.require("fits", None)
        with moved(trial, node):
            _fit(trial, node)
            with trial.load("http://checkout/", rate=5, timeout=20) as load:
                trial.until(lambda: _steady(load), within=20)
                start = time.time()
                gone = _peak(trial)
            _judge(trial, gone, load.since(start))


def _fit(trial: Trial, node: str) -> None:
    """Decide `fits`."""

    def there() -> list[str]:
        return [
            name
            for name in SERVICES
            if any(trial.is_ready(pod) and pod["spec"].get("nodeName") == node for pod in trial.pods(f"app={name}"))
        ]

    trial.say(f"waiting for the three Pods to get ready on {node}")
    trial.until(lambda: len(there()) == len(SERVICES) or _without_place(trial), within=60, every=0.3)
    missing = sorted(set(SERVICES) - set(there()))
    trial.require(
        "fits",
        not missing,
        observed=_without_place(trial) or f"not ready there: {', '.join(missing)}. {'; '.join(trial.live.warnings()[:1])}",
        expected="3 ready Pods",
        hint=f"A node of {MEMORY} keeps 100Mi free: it can promise 412Mi in all.",
    )
    trial.until(lambda: len(trial.list("pods", "app=checkout")) == 1, within=40)  # the one before has left


def _without_place(trial: Trial) -> str:
    """Which Pods find too little of something on the node, in the scheduler's words; "" when all have a place."""
    for name in SERVICES:
        for pod in trial.pods(f"app={name}"):
            for condition in pod["status"].get("conditions") or ():
                if condition["type"] == "PodScheduled" and "Insufficient" in condition.get("message", ""):
                    return f"no place for {name}: {condition['message']}"
    return ""


def _peak(trial: Trial) -> list[str]:
    """Let the services grow, and search once more when that went well; who was evicted, in order."""
    for name, size in PEAK.items():
        _warm(trial, name, size)
    trial.say("waiting for the kubelet to look")
    if trial.until(lambda: _evicted(trial) or _killed(trial), within=NOTICED, every=0.3) and _evicted(trial) == ["reports"]:
        _warm(trial, "search", MORE)
        trial.until(lambda: len(_evicted(trial)) > 1 or _killed(trial), within=NOTICED, every=0.3)
    trial.wait(2)
    return _evicted(trial)


def _warm(trial: Trial, name: str, size: int) -> None:
    trial.say(f"{name} grows to {size} MiB")
    trial.request(f"http://{name}/warm?mib={size}", method="POST", timeout=10)


def _judge(trial: Trial, gone: list[str], load: Traffic) -> None:
    """Decide the rest; `load` is what was asked of checkout from the peak on."""
    killed = _killed(trial)
    trial.expect(
        "grows",
        not killed,
        observed=f"{', '.join(killed)}: OOMKilled",
        hint="How much may it take at most, and how much does it need at its peak?",
    )
    trial.expect(
        "survives",
        "checkout" not in gone and "checkout" not in killed and bool(load.ok) and not load.failed,
        observed=_message(trial, "checkout") or f"{len(load.failed)} of {len(load)} requests to checkout failed",
        expected="not evicted, 0 failed",
        hint="By how much was checkout beyond its request, and by how much the others?",
    )
    if killed or "checkout" in gone:
        return
    trial.require(
        "pressed",
        bool(gone) or None,
        observed="nobody was evicted: the node never had less than 100Mi left",
        hint="Do the three still grow? Their image and command are not yours to change.",
    )
    trial.expect(
        "order",
        gone == ["reports", "search"],
        observed=f"evicted in this order: {', '.join(gone)}",
        expected="reports, search",
        hint="For reports and for search: used at the peak, minus requested. The larger one goes first.",
    )


def _steady(load: Load) -> bool:
    """Whether the last answers were good ones: every node has learnt where checkout is."""
    return len(load) >= 10 and all(request.ok for request in load.requests[-10:])


def _evicted(trial: Trial) -> list[str]:
    """The services whose Pods were evicted, in order."""
    found: list[str] = []
    for change in trial.seen.of("pods"):
        name = (change.object["metadata"].get("labels") or {}).get("app", "")
        if change.object["status"].get("reason") == "Evicted" and name not in found:
            found.append(name)
    return found


def _message(trial: Trial, name: str) -> str:
    """What the kubelet said when it evicted a Pod of this service, or ""."""
    said = [change.object["status"] for change in trial.seen.of("pods", f"app={name}")]
    return next((str(status["message"]).strip() for status in said if status.get("reason") == "Evicted"), "")


def _killed(trial: Trial) -> list[str]:
    """The services of which a container was killed for its own limit."""
    found = set()
    for name in SERVICES:
        for change in trial.seen.of("pods", f"app={name}"):
            for status in change.object["status"].get("containerStatuses") or ():
                for state in (status.get("state") or {}, status.get("lastState") or {}):
                    if (state.get("terminated") or {}).get("reason") == "OOMKilled":
                        found.add(name)
    return sorted(found)


@contextmanager
def moved(trial: Trial, node: str) -> Iterator[None]:
    """The three Deployments on this node while the block runs, and as they were afterwards."""
    before: dict[str, Manifest] = {}
    try:
        for name in SERVICES:
            deployment = trial.get("deployments", name)
            if deployment is None:
                trial.require("fits", False, observed=f"there is no Deployment {name}")
                return
            before[name] = deployment["spec"]["template"]["spec"]
            _put(trial, name, _placed(before[name], node))
        yield
    finally:
        for name, spec in before.items():
            _put(trial, name, spec)


def _placed(spec: Manifest, node: str) -> Manifest:
    return spec | {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [*(spec.get("tolerations") or ()), {"key": "dockyard.course/added", "operator": "Exists"}],
    }


def _put(trial: Trial, name: str, spec: Manifest) -> None:
    """Give a Deployment this Pod spec."""

    def done() -> bool:
        deployment = trial.get("deployments", name)
        if deployment is None:
            return True
        deployment["spec"]["template"]["spec"] = spec
        try:
            trial.live.call("PUT", trial.live.path("deployments", name), deployment)
        except ApiFailed as error:
            if error.code == 409:  # its controller was faster
                return False
            raise
        return True

    for _ in range(10):
        if done():
            return
        time.sleep(0.1)
