"""Lesson 07, rollouts: how each exercise is staged and judged."""

import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from dockyard.exercises import (
    CommandFailed,
    Live,
    Load,
    Manifest,
    PodLife,
    Traffic,
    Trial,
    blamed,
    exercise,
    lives,
)

RATE = 50  # requests a second, each on a connection of its own
NEEDED = 3000
SLOWEST = 20  # seconds to wait for a short answer: a busy machine is slow, and slow is not lost
LONG = 8  # seconds that a long request takes
RELEASED = 60  # seconds until a good release must be out
NOTICED = 60  # seconds until the script must have said that a release is bad
GRACEFUL = (0, 143)  # uvicorn, when it is not process 1, ends by the SIGTERM that it got, after all is done


def what_failed_last(live: Live) -> str:
    """A hint from the Pod template that runs."""
    deployment = live.get("deployments", "orders")
    if deployment is None:
        return "Nothing is on stage yet: `goto` the exercise, or run the check once."
    spec = deployment["spec"]["template"]["spec"]
    hook = any((container.get("lifecycle") or {}).get("preStop") for container in spec["containers"])
    if not hook:
        return (
            "When a Pod is deleted, two things start at the same moment: the kubelet sends SIGTERM, and the Pod's address is "
            "taken out of every node's tables. Nothing in your template makes the first wait for the second. "
            "Run the demonstration again and compare *told to stop* with the last failed request: how long would be enough?"
        )
    return (
        f"Your template has a preStop hook and a grace period of {spec['terminationGracePeriodSeconds']} s, which the hook is "
        "part of. In the verdict: did the requests fail after a Pod was told to stop, or at another time?"
    )


def how_much_grace(live: Live) -> str:
    """A hint that does the sum with the template that runs."""
    deployment = live.get("deployments", "orders")
    if deployment is None:
        return "Nothing is on stage yet: `goto` the exercise, or run the check once."
    spec = deployment["spec"]["template"]["spec"]
    hook = (spec["containers"][0].get("lifecycle") or {}).get("preStop") or {}
    command = (hook.get("exec") or {}).get("command") or [""]  # `sleep 5` does what the action does
    sleep = (hook.get("sleep") or {}).get("seconds") or (int(command[-1]) if command[-1].isdigit() else 0)
    grace = spec["terminationGracePeriodSeconds"]
    return (
        f"The clock of `terminationGracePeriodSeconds` ({grace} s in your template) starts when the Pod is deleted. The hook "
        f"takes {sleep} s of it, so SIGTERM comes then, and SIGKILL {max(0, grace - sleep)} s later. A request of {LONG} s that came "
        "in last: is it done by then?"
    )


def what_the_deployment_says(live: Live) -> str:
    """A hint from the Deployment's conditions."""
    deployment = live.get("deployments", "orders") or {}
    for condition in deployment.get("status", {}).get("conditions", ()):
        if condition["type"] == "Progressing":
            seconds = deployment["spec"]["progressDeadlineSeconds"]
            return (
                f'Your Deployment says `{condition["reason"]}`: "{condition["message"]}". It gives up after '
                f"`progressDeadlineSeconds`, {seconds} s. `kubectl rollout status` waits for exactly this condition: what does it "
                "exit with, and who reads that?"
            )
    return "`kubectl rollout status` waits until a release is out or given up. What does it exit with, and who reads that?"


def which_columns(live: Live) -> str:
    """A hint from the log of a release that met a column it did not expect."""
    for number in (1, 2, 3):
        for pod in live.pods(f"app=ledger-{number}"):
            said = _complaint(live, pod["metadata"]["name"])
            if said:
                return f"The last complaint on stage was: `{said}`. Which step of yours made that so, and was it that release's turn to go?"
    return (
        "For each moment of your plan write down which releases run, which columns the table has, which of them may be NULL, and "
        "which column each release writes. Run the check: it says after which step the first request failed, and why."
    )


def who_looked_first(live: Live) -> str:
    """A hint from the init containers."""
    failed = [pod for pod in live.pods("app=orders") if _trouble(pod)]
    if failed:
        name = failed[0]["metadata"]["name"]
        said = live.logs(name, tail=1, container="migrate").strip()
        return f"The migration failed in {len(failed)} Pods. In {name} it said: `{said}`."
    return (
        "Put six lines of the script side by side, one for each Pod, and let time run downwards. Between which two lines can "
        "another Pod come in? What would make it wait there?"
    )


@dataclass(frozen=True)
class Release:
    """When a rollout was ordered, and whether it was out in time, the old Pods gone."""

    start: float
    out: bool


def _selector(deployment: Manifest) -> str:
    return ",".join(f"{key}={value}" for key, value in deployment["spec"]["selector"]["matchLabels"].items())


def _rolled_out(trial: Trial) -> Callable[[], bool]:
    """Whether every Pod is of the newest template, and no other is left, not even a terminating one."""
    deployment = trial.get("deployments", "orders") or {}
    selector = _selector(deployment)

    def holds() -> bool:
        if not trial.live.is_available("orders"):
            return False
        return len(trial.list("pods", selector)) == deployment["spec"]["replicas"]

    return holds


def _release(trial: Trial, version: int) -> Release:
    """Set the image, as a pipeline would, and wait until the old Pods are gone."""
    deployment = trial.get("deployments", "orders") or {}
    containers = deployment["spec"]["template"]["spec"]["containers"]
    old, new = trial.image("orders:"), trial.image(f"orders:{version}")
    changes = [f"{each['name']}={new}" for each in containers if each["image"].startswith(old)]
    trial.say(f"releasing orders:{version}")
    start = time.time()
    trial.kubectl("set", "image", "deployment/orders", *changes)
    return Release(start, bool(trial.until(_rolled_out(trial), within=RELEASED, every=0.3)))


def _serves(trial: Trial) -> None:
    """Decide `serves`; when it holds, every node's tables know the Pods too."""
    trial.require(
        "serves",
        trial.available("orders", within=45),
        observed="; ".join(trial.live.warnings()[:2]) or "not available in time",
        hint=f"`kubectl -n {trial.namespace} describe deployment orders`, and `logs` of its Pods",
    )
    with trial.load("http://orders/", rate=20) as first:
        trial.until(lambda: len(first) >= 30 and all(one.ok for one in first.requests[-20:]), within=15)


def _pods(trial: Trial) -> list[PodLife]:
    """The lives of the Pods of orders; the load's own Pods are none of them."""
    return [life for life in lives(trial.seen) if not life.name.startswith("load-")]


def _failures(trial: Trial, traffic: Traffic) -> str:
    """How many failed, and what the first one met."""
    failed = traffic.failed
    if not failed:
        return ""
    first = failed[0]
    pod = blamed(first, _pods(trial))
    when = ""
    if pod is not None and pod.told is not None:
        when = f", {first.end - pod.told:.2f} s after {pod.name} was told to stop"
    return f"{len(failed)} of {len(traffic)} requests failed; the first with {first.label}{when}"


def _expect_graceful(trial: Trial, since: float) -> None:
    """Decide `exits` from the exit codes of the Pods that a rollout replaced."""
    old = [life for life in _pods(trial) if life.told is not None and life.told >= since]
    known = [life for life in old if life.exits]
    killed = [life for life in known if any(code not in GRACEFUL for code in life.exits.values())]
    if not known:
        trial.expect("exits", None, observed="no old Pod was seen to end")
        return
    trial.expect(
        "exits",
        not killed,
        observed=f"{len(killed)} of {len(known)} old Pods ended with "
        f"{sorted({code for life in killed for code in life.exits.values()})}",
        expected="0 or 143",
        hint="137 is SIGKILL: the grace period was over. Did the process hear SIGTERM at all, and did it have the time?",
    )


@exercise(
    "07.1",
    title="A release that nobody notices",
    seconds=240,
    files=("e1/orders.yaml",),
    claims={
        "serves": "three Pods of version 1 become available",
        "released": f"version 2 is out within {RELEASED} s, and both versions answered requests",
        "zero": f"no request fails, of {NEEDED} over a release and its rollback",
        "exits": "every old Pod ends by itself, with exit code 0 or 143",
    },
    start="zero",
    hints=(
        "In the picture of a rollout, look at what lies between *told to stop* and the last failed request. Who is late?",
        what_failed_last,
        "Let each Pod go on serving for a few seconds after it was deleted, so that everybody can learn that it is leaving. "
        "Kubernetes has a hook for that moment.",
    ),
    why=(
        "SIGTERM and the removal of the endpoint start at the same moment, and nothing makes the first wait for the second. The "
        "preStop hook does: SIGTERM comes when it is over, and in those seconds the Pod answers as before, while all proxies learn "
        "that it is leaving. Five seconds are several times what the proxies took above."
    ),
)
def releases_without_a_failed_request(trial: Trial) -> None:
    """orders runs in three Pods. Its next release fails a few requests, as every release so far did, and somebody always notices.

    Change `e1/orders.yaml` so that all of this is true:

    - of 3,000 requests over a release and its rollback, none fails;
    - every old Pod ends by itself, not by SIGKILL;
    - the release is out, and the last old Pod gone, within 60 s.

    The image stays as it is: uvicorn closes its port when it gets SIGTERM.

    **Measured:** 50 requests a second, each on a new connection, while version 2 replaces version 1 and is rolled back. About 75 s;
    less when something fails.
    """
    _serves(trial)
    with trial.load("http://orders/", rate=RATE, timeout=SLOWEST) as load:
        load.collect(3 * RATE, within=20)
        first = _release(trial, 2)
        trial.until(lambda: "2" in load.ok.by("version"), within=10)
        early = bool(load.failed) or not first.out
        if not early:
            trial.say("rolling back")
            trial.kubectl("rollout", "undo", "deployment/orders")
            trial.until(_rolled_out(trial), within=RELEASED, every=0.3)
            load.collect(NEEDED, within=90)
    versions = load.ok.by("version")
    trial.expect(
        "released",
        first.out and {"1", "2"} <= versions.keys(),
        observed=f"answers by version: {versions}"
        if first.out
        else "; ".join(trial.live.warnings()[:1]) or "not out in time",
        hint=f"`kubectl -n {trial.namespace} rollout status deployment/orders`",
    )
    enough = len(load) >= NEEDED
    trial.expect(
        "zero",
        False if load.failed else True if enough else None,
        observed=_failures(trial, load)
        or f"only {len(load)} requests were sent in the time: this machine is too busy",
        expected="0 failed",
        hint="`rollout(traffic, seen)` draws which Pod was where when they failed, as in the lesson",
    )
    trial.notes.append(f"{len(load)} requests, {len(load.failed)} failed; by version: {versions}")
    _expect_graceful(trial, first.start)


@exercise(
    "07.2",
    title="Long requests and kept connections",
    seconds=200,
    files=("e2/orders.yaml",),
    claims={
        "serves": "three Pods of version 1 become available",
        "released": f"version 2 is out within {RELEASED} s",
        "short": "no short request on a new connection fails",
        "long": f"every request that takes {LONG} s is answered",
        "kept": "clients that keep their connections meet no error, and come to version 2",
        "exits": "every old Pod ends by itself, with exit code 0 or 143",
    },
    start="long",
    hints=(
        "Three clocks run in a Pod that is deleted: the hook's, the server's and the kubelet's. Which of them is over first?",
        how_much_grace,
        "Add up the seconds for the proxies, the longest request and some to spare; give the kubelet at least that sum.",
    ),
    why=(
        "The grace period is one deadline for everything: the hook, then SIGTERM, then what is in flight. 5 s for the proxies and 8 s "
        "for the longest request make 13; 20 leave room. A long deadline costs nothing where it isn't needed: a Pod that is done is gone."
    ),
)
def finishes_what_it_began(trial: Trial) -> None:
    """orders makes reports as well: a request to `/slow?seconds=8` takes eight seconds. And its best client keeps connections open.

    Change `e2/orders.yaml` so that a release loses nothing: neither short requests nor long ones, on new connections or on kept ones. Every old
    Pod ends by itself, and the release is out, with the last old Pod gone, within 60 s.

    **Measured:** 20 short requests a second on new connections, 20 on four kept ones, and 4 long requests a second, while version 2
    replaces version 1. About 55 s.
    """
    _serves(trial)
    slow = f"http://orders/slow?seconds={LONG}"
    with (
        trial.load(slow, rate=4, timeout=25) as long,
        trial.load("http://orders/", rate=20, timeout=SLOWEST) as short,
        trial.load("http://orders/", rate=20, timeout=SLOWEST, connections=4) as kept,
    ):
        short.collect(80, within=20)
        # Long requests must be under way when the release begins, or it has nothing to lose.
        if not (long.collect(4, within=40) and kept.collect(20, within=10)):
            trial.require("released", None, observed="the load does not flow: is this machine too busy?")
        release = _release(trial, 2)
        trial.wait(1)
    trial.require(
        "released",
        release.out,
        observed="; ".join(trial.live.warnings()[:1]) or f"not out after {RELEASED} s",
    )
    trial.expect(
        "short",
        len(short) > 100 and not short.failed,
        observed=_failures(trial, short),
        expected="0 failed",
        hint="That was Exercise 1. Is its hook still there?",
    )
    under_way = [request for request in long if request.t < release.start < request.end]
    trial.expect(
        "long",
        not long.failed if under_way else None,
        observed=f"{len(long.failed)} of {len(long)} long requests failed: {long.failed.by('label')}"
        if under_way
        else "no long request was under way when the release began",
        expected="0 failed",
        hint="Who ended them: the kubelet (then the old Pods' exit code is 137) or the server itself (then there are 500s)?",
    )
    moved = [request for request in kept if request.moved]
    newest = kept.ok[-1].version if kept.ok else ""
    trial.expect(
        "kept",
        not kept.failed and newest == "2",
        observed=_failures(trial, kept) or f"the last answer came from version {newest or '(none)'}",
        expected="0 failed, the last answer from version 2",
        hint="A kept connection ends when its Pod does; the client then connects again, and needs somebody there.",
    )
    trial.notes.append(
        f"the kept connections moved to another Pod {len(moved)} times, without an error that a caller sees"
    )
    _expect_graceful(trial, release.start)


@exercise(
    "07.3",
    title="A bad release, and the way back",
    seconds=240,
    files=("e3/orders.yaml", "e3/release.sh"),
    claims={
        "serves": "three Pods of version 1 become available",
        "good": "the script releases version 2 and ends with exit code 0",
        "noticed": f"it ends with another exit code for version 3, within {NOTICED} s",
        "unharmed": "no request fails meanwhile",
        "restored": "afterwards the Deployment wants version 2, and all its Pods are ready",
    },
    start="noticed",
    hints=(
        "`kubectl set image` ends when the API server has written down a wish. Which command waits for what becomes of it?",
        what_the_deployment_says,
        "Make the Deployment give up in time; in the script wait for its verdict, and on a bad one go back to the revision before "
        "and end with an error.",
    ),
    why=(
        "The readiness probe is what keeps a bad release from the users: with maxUnavailable 25 % of three, rounded down to 0, no "
        "good Pod goes before a new one is ready. `progressDeadlineSeconds` only says when the Deployment is called stuck. It rolls "
        "nothing back: that, and the exit code, are the script's."
    ),
)
def survives_a_bad_release(trial: Trial) -> None:
    """Version 3 of orders starts and never gets ready. The pipeline runs `e3/release.sh IMAGE` and believes its exit code.

    Change `e3/release.sh` and, where needed, `e3/orders.yaml` so that

    - a good release is out when the script ends, with exit code 0;
    - after a bad one the version before is back when the script ends, within 60 s, with another exit code;
    - no user notices either.

    The script gets the image as `$1` and the namespace as `$ns`. Try it: `!sh {lab}/e3/release.sh orders:2`.

    **Measured:** 20 requests a second while the script releases version 2 and then version 3. About 60 s.
    """
    _serves(trial)
    with trial.load("http://orders/", rate=20, timeout=SLOWEST) as load:
        load.collect(40, within=20)
        code, said = _run(trial, trial.image("orders:2"), within=RELEASED)
        out = trial.until(lambda: _image(trial) == trial.image("orders:2") and trial.live.is_available("orders"), within=RELEASED)
        trial.require(
            "good",
            code == 0 and out,
            observed=f"exit code {code}; {_last(said)}" if out else f"exit code {code}, and version 2 is not out",
            hint=f"`kubectl -n {trial.namespace} rollout status deployment/orders`",
        )
        code, said = _run(trial, trial.image("orders:3"), within=NOTICED)
        trial.expect(
            "noticed",
            code not in (0, None),
            observed=f"no end within {NOTICED} s" if code is None else f"exit code 0; its last line: {_last(said)}",
            expected="an exit code other than 0",
            hint="The Deployment's own deadline is 600 s unless you set one; and `a || b` ends with the exit code of b.",
        )
        back = trial.until(lambda: _image(trial) == trial.image("orders:2") and trial.live.is_available("orders"), within=10)
        trial.wait(1)
    trial.expect(
        "restored",
        back,
        observed=f"it wants {_image(trial)}, and {_unready(trial)} of its Pods are not ready",
        expected="orders:2, all Pods ready",
        hint="The script has to go back before it ends: which command goes back to the revision before?",
    )
    trial.expect(
        "unharmed",
        len(load) > 100 and not load.failed,
        observed=_failures(trial, load),
        expected="0 failed",
        hint="How many good Pods may go before a new one is ready?",
    )


def _run(trial: Trial, image: str, within: float) -> tuple[int | None, str]:
    """The release script's exit code, None if it did not end, and what it said."""
    try:
        return trial.shell("e3/release.sh", image, within=within)
    except CommandFailed as failed:
        return None, str(failed)


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["(nothing)"])[-1]


def _image(trial: Trial) -> str:
    deployment = trial.get("deployments", "orders") or {}
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _unready(trial: Trial) -> int:
    return sum(not trial.is_ready(pod) for pod in trial.pods("app=orders"))


@exercise(
    "07.4",
    title="Rename a column while everybody writes",
    seconds=240,
    files=("e4/plan.toml",),
    baseline=("e4/database.yaml", "e4/ledger.yaml"),
    claims={
        "sound": "every step of the plan can be carried out, and one release runs at every moment",
        "both": "after every step, every release that is not retired answers every request",
        "data": "every order has its customer in customer_id, the old ones and those written meanwhile",
        "done": "at the end release 3 runs alone, and the column cust is gone",
    },
    start="both",
    hints=(
        "One table, and always two releases that use it: the one you roll out, and the one you may have to go back to.",
        which_columns,
        "Add before anybody needs it, fill in when nobody writes the old way alone any more, remove when nobody is left who knows it.",
    ),
    why=(
        "Expand, migrate, contract: each step keeps the release before it working, so each can be rolled back by rolling back the "
        "release alone. The one step that cannot be undone, dropping the column, comes when nothing uses it any more."
    ),
)
def renames_a_column_under_load(trial: Trial) -> None:
    """The column `orders.cust` must become `customer_id`. Three releases of the ledger exist; you write the plan that leads from release
    1 to release 3: what happens to the database, and which release comes and goes when.

    Change `e4/plan.toml` (its head lists the three kinds of steps) so that all of this is true:

    - release 1, which runs now, is replaced by release 3, and the column `cust` is gone;
    - until you retire it, a release can be rolled back to at any moment: it answers every request, whatever else runs;
    - every order still has its customer.

    **Measured:** 10 orders a second to each release that runs, for 3 s after each step. About 45 s.
    """
    try:
        steps = tomllib.loads((trial.answers / "e4/plan.toml").read_text()).get("step", [])
    except tomllib.TOMLDecodeError as error:
        trial.require("sound", False, observed=f"plan.toml is not TOML: {error}")
        return
    play, running = Play(trial), [1]
    try:
        play.start(1)
        play.look("at the start")
        for number, step in enumerate(steps, 1):
            what = play.carry_out(number, step)
            if not play.look(f"after step {number} ({what})"):
                break
        running = sorted(play.loads)
    finally:
        play.stop()
    if play.failures:
        trial.expect(
            "both",
            False,
            observed=play.failures,
            hint="Which columns does that release name, and are they there?",
        )
        return
    trial.expect("sound", bool(steps), observed="the plan has no steps")
    trial.expect("both", bool(steps))
    columns = _query(trial, _COLUMNS).split()
    wrong = _query(trial, _NAMELESS) if "customer_id" in columns else "all"
    trial.expect(
        "data",
        wrong == "0",
        observed=f"{wrong} orders without their customer in customer_id",
        expected="0",
        hint="`SELECT id, customer_id FROM orders WHERE customer_id IS NULL LIMIT 5`",
    )
    trial.expect(
        "done",
        running == [3] and "cust" not in columns,
        observed=f"running: {running}; columns: {', '.join(columns)}",
        expected="running: [3]; no column cust",
    )
    trial.notes.append(f"{play.written} orders were written meanwhile")


_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders' ORDER BY 1"
_NAMELESS = (
    "SELECT count(*) FROM orders WHERE customer_id IS DISTINCT FROM "
    "CASE WHEN id <= 1000 THEN 'customer ' || id ELSE 'ada' END"
)


class Play:
    """Carries out a plan: releases come and go, and each that runs gets orders all the time."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.loads: dict[int, Load] = {}
        self.failures = ""
        self.written = 0

    def start(self, release: int) -> None:
        """Start a release beside those that run, and send it orders."""
        name = f"ledger-{release}"
        self.trial.kubectl("scale", f"deployment/{name}", "--replicas=1")
        if not self.trial.available(name, within=40):
            self.trial.require("sound", None, observed=f"release {release} did not start: is this machine too busy?")
        load = self.trial.load(f"http://{name}/orders", rate=10, method="POST", body=_ORDER, timeout=SLOWEST)
        load.__enter__()
        self.loads[release] = load
        self.trial.until(lambda: load.ok or len(load) > 30, within=10)

    def carry_out(self, number: int, step: dict[str, object]) -> str:
        """One step; what it was, in words. Ends the trial where it can't be done."""
        (what, value), *more = list(step.items()) or [("nothing", "")]
        self.trial.say(f"step {number}: {what}{'' if what == 'sql' else f' {value}'}")
        problem = ""
        if what == "sql" and not more:
            try:
                _sql(self.trial, str(value))
            except CommandFailed as failed:
                problem = _last(str(failed))
        elif what == "release" and value in (1, 2, 3) and not more:
            if int(str(value)) not in self.loads:
                self.start(int(str(value)))
        elif what == "retire" and value in self.loads and not more:
            if len(self.loads) == 1:
                problem = f"release {value} is the only one that runs"
            else:
                self._end(int(str(value)))
                self.trial.kubectl("scale", f"deployment/ledger-{value}", "--replicas=0")
        else:
            problem = f"{step} is none of sql, release (1, 2 or 3) or retire (one that runs)"
        if problem:
            self.trial.require("sound", False, observed=f"step {number}: {problem}")
        return what if what == "sql" else f"{what} {value}"

    def look(self, when: str) -> bool:
        """Three seconds of orders to each release that runs; whether all were answered."""
        since = time.time()
        loads = self.loads.values()
        self.trial.until(
            lambda: any(map(_refused, loads)) or all(len(load.since(since)) >= 25 for load in loads), within=15
        )
        for release, load in self.loads.items():
            if _refused(load):
                pods = self.trial.pods(f"app=ledger-{release}")
                said = _complaint(self.trial.live, pods[0]["metadata"]["name"]) if pods else ""
                self.failures = f"{when}, requests to release {release} failed: {said or _refused(load).by('label')}"
                return False
        if not all(load.since(since).ok for load in loads):
            self.trial.require("sound", None, observed="no orders came through: is this machine too busy?")
        return True

    def stop(self) -> None:
        for release in list(self.loads):
            self._end(release)

    def _end(self, release: int) -> None:
        load = self.loads.pop(release)
        load.finish()
        self.written += len(load.ok)
        if _refused(load) and not self.failures:
            self.failures = f"{len(_refused(load))} requests to release {release} failed before it was retired"


def _refused(load: Load) -> Traffic:
    """Failed requests; not those before the first good one, when the network has not learnt of the Pod yet."""
    begun = load.ok[0].t if load.ok else 0.0
    return load.since(begun).failed


_ORDER = '{"customer": "ada", "item": "lamp"}'
_URL = "postgresql://orders:orders@127.0.0.1:5432/orders"


def _sql(trial: Trial, statements: str) -> str:
    """Run statements as psql runs a file, each a transaction of its own; its output.

    Raises CommandFailed with its error.
    """
    psql = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", _URL]
    return trial.kubectl("exec", "-i", "deploy/db", "--", *psql, text=statements + "\n;\n")


def _query(trial: Trial, statement: str) -> str:
    return _sql(trial, statement).strip()


def _complaint(live: Live, pod: str) -> str:
    """The last thing that a release said about the database, or ""."""
    lines = [line for line in live.logs(pod, tail=200).splitlines() if line.startswith("release ")]
    return lines[-1] if lines else ""


@exercise(
    "07.5",
    title="Six Pods, one migration",
    seconds=240,
    files=("e5/orders.yaml",),
    baseline=("e5/database.yaml",),
    claims={
        "once": "every price is multiplied by 100 exactly once",
        "waits": "no Pod is ready before the migration is done",
        "quiet": "no container fails because of it",
        "ready": "all six Pods become ready within 90 s",
        "again": "six new Pods later the prices are still the same",
    },
    start="once",
    hints=(
        "The script asks first whether the migration is done. Six of them ask at the same time.",
        who_looked_first,
        "Let each script take one lock, that only one can have at a time, before it looks; and make sure that it is given back "
        "even when the process dies.",
    ),
    why=(
        "Looking and doing must not be interrupted by another one's looking. An advisory lock that belongs to the transaction makes "
        "them one after the other, and PostgreSQL gives it back when the connection ends, however it ends."
    ),
)
def migrates_once(trial: Trial) -> None:
    """Prices must be in cents: the migration multiplies each by 100, and takes four seconds. Every Pod runs it before it serves, from an init
    container, and looks first whether it is done. Six Pods start together. A lamp of 40 euros then costs 400,000 cents, or 40 million, or more.

    Change `e5/orders.yaml` (the script, or how it is run) so that all of this is true:

    - the prices are multiplied once, also when six new Pods start later;
    - no Pod serves before that is done, and no container fails;
    - all six are ready within 90 s.

    **Measured:** six Pods start together on an unmigrated database, then all six are replaced at once. About 40 s.
    """
    names = {pod["metadata"]["name"] for pod in trial.pods("app=orders")}
    early, prices = False, ""

    def over() -> bool:
        nonlocal early, prices
        pods = trial.pods("app=orders")
        ready = [pod for pod in pods if trial.is_ready(pod)]
        prices = _prices(trial)
        early = early or (bool(ready) and prices == _EUROS)
        wrong = prices not in (_EUROS, _CENTS) or early or any(_trouble(pod) for pod in pods)
        return wrong or len(ready) == 6

    trial.until(over, within=90, every=1)
    pods = trial.pods("app=orders")
    names |= {pod["metadata"]["name"] for pod in pods}
    failed = [pod["metadata"]["name"] for pod in pods if _trouble(pod)]
    trial.expect(
        "waits",
        not early,
        observed="a Pod was ready while the prices were in euros",
        hint="What does a Pod do that does not get the lock?",
    )
    trial.expect(
        "quiet",
        not failed,
        observed=f"the migration failed in {', '.join(failed[:3])}",
        hint=f"`kubectl -n {trial.namespace} logs {failed[0] if failed else 'POD'} -c migrate`",
    )
    wrong = prices not in (_EUROS, _CENTS) or (prices == _EUROS and not failed and not early)
    trial.expect(
        "once",
        False if wrong else None if prices == _EUROS else True,
        observed=f"lamp and table cost {prices.replace(chr(10), ' and ')} cents",
        expected="4000 and 25000",
        hint="Two Pods looked before one of them had written down that it is done.",
    )
    if wrong or early or failed:
        return
    ready = sum(trial.is_ready(pod) for pod in pods)
    trial.require(
        "ready",
        ready == 6,
        observed=f"{ready} of 6 are ready",
        hint=f"`kubectl -n {trial.namespace} get pods`",
    )
    trial.say("replacing all six Pods")
    trial.kubectl("delete", "pods", "-l", "app=orders", "--grace-period=1", "--wait=false")
    trial.until(lambda: _six_new(trial, names), within=60, every=0.5)
    prices = _prices(trial)
    trial.expect(
        "again",
        prices == _CENTS if _six_new(trial, names) else None,
        observed=f"lamp and table cost {prices.replace(chr(10), ' and ')} cents",
        expected="4000 and 25000",
        hint="How does a new Pod find out that the migration is done?",
    )


_EUROS, _CENTS = "40\n250", "4000\n25000"


def _prices(trial: Trial) -> str:
    return _query(trial, "SELECT amount FROM prices ORDER BY item")


def _trouble(pod: Manifest) -> bool:
    """Whether an init container of the Pod has ended with an error, or had to be started again."""
    statuses = pod.get("status", {}).get("initContainerStatuses") or ()
    return any(
        status["restartCount"] or status.get("state", {}).get("terminated", {}).get("exitCode") for status in statuses
    )


def _six_new(trial: Trial, names: set[str]) -> bool:
    new = [pod for pod in trial.pods("app=orders") if pod["metadata"]["name"] not in names]
    return len(new) == 6 and all(trial.is_ready(pod) for pod in new)
