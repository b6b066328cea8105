"""Lesson 06, probes: how each exercise is staged and judged."""

import time

from dockyard.exercises import Live, Trial, exercise

CUT = 40  # seconds
HANG_NOTICED = 25  # seconds until a hanging Pod must have been restarted, in E1
SLOW_START = 45  # seconds that orders takes to start in E2
QUICKLY = 15  # seconds until a hanging Pod must have been restarted, in E2


def which_probe_restarts(live: Live) -> str:
    """A hint from the events of the live system."""
    killings = [text for text in live.warnings() if "probe failed" in text]
    if killings:
        return (
            f"Your cluster says: `{killings[0]}`. Which of the probes is that, and what does Kubernetes do when "
            f"this kind of probe fails? `kubectl -n {live.namespace} describe pod -l app=orders` has the rest."
        )
    return (
        "Nothing fails while the database is there. Run the check once, then ask "
        f"`kubectl -n {live.namespace} get events --field-selector type=Warning` which probe failed, and what it got."
    )


def how_long_until_the_kill(live: Live) -> str:
    """A hint from the restarts and the age of the slow starter."""
    pods = live.pods("app=orders")
    restarts = sum(live.restarts_of(pod) for pod in pods)
    if restarts:
        return (
            f"orders has been restarted {restarts} times and needs {SLOW_START} s in peace. After how many seconds "
            "does your liveness probe give up? Multiply two of its fields."
        )
    return (
        "No restart so far. Then ask the other question: if orders hangs one second after it got ready, after how "
        "many seconds does your liveness probe kill it?"
    )


@exercise(
    "06.1",
    title="A database blip is no reason to restart",
    seconds=180,
    files=("e1/orders.yaml",),
    baseline=("database.yaml",),
    claims={
        "serves": "orders answers while its database is there",
        "fault": "nothing reaches the database during the cut",
        "unready": "no Pod of orders is in the Service while the database is away",
        "calm": "no container restarts because the database is away",
        "recovers": "orders answers again within 10 s of the database's return",
        "wedge": f"a Pod that hangs is restarted within {HANG_NOTICED} s",
    },
    start="calm",
    hints=(
        "Two probes ask about orders. Look at the URL that each of them asks, and at what Kubernetes does on a no.",
        which_probe_restarts,
        "Let the probe whose failure restarts ask only about the process. Let the probe whose failure takes a Pod "
        "out of the Service ask about what a request needs.",
    ),
    why=(
        "Liveness asks: would a restart help? A restart brings no database back, so the liveness probe asks "
        "`/healthz`, which only the process can fail. Readiness asks: can this Pod serve a request now? Without a "
        "database it can't, so the readiness probe goes on asking `/readyz`."
    ),
)
def survives_a_database_cut(trial: Trial) -> None:
    """Two Pods of orders run in front of a Postgres. Now and then the network between them fails for 40 s.

    Change `e1/orders.yaml` so that all of this is true:

    - while the database is away, no container restarts, and the Service sends requests to nobody;
    - orders answers again within 10 s of the database's return;
    - a Pod that hangs, answering nothing and yet running, is restarted within 25 s.

    **Measured:** 5 requests a second through a cut of 40 s, then one Pod made to hang. About 70 s.
    """
    trial.require(
        "serves",
        trial.available("orders", within=30),
        observed="; ".join(trial.live.warnings()[:2]),
        hint=f"`kubectl -n {trial.namespace} describe deployment orders`, and `logs` of its Pods",
    )
    with trial.load("http://orders/orders", rate=5) as load, trial.load("tcp://db:5432", rate=2) as canary:
        load.collect(10)
        with trial.cut("app=db") as cut:
            trial.wait(CUT)
        back = trial.until(lambda: load.since(cut.end).ok, within=10)
    away = canary.between(cut.start + 2, cut.end - 1)
    trial.require(
        "fault",
        bool(len(away)) and not away.ok,
        observed=f"{len(away.ok)} of {len(away)} connections to the database succeeded",
    )
    restarts = trial.seen.restarts("app=orders", since=cut.start)
    trial.expect(
        "calm",
        restarts == 0,
        observed=f"{restarts} restarts",
        expected="0 restarts",
        hint="Which probe restarts a container, and what does yours ask?",
    )
    ready = [count for _, count in trial.seen.ready("orders", cut.start + 8, cut.end - 1)]
    trial.expect(
        "unready",
        ready and max(ready) == 0,
        observed=f"up to {max(ready, default=0)} ready addresses in the Service, from the 8th second of the cut on",
        expected="0 ready addresses",
        hint="Which probe takes a Pod out of the Service? Does it ask for something that needs the database?",
    )
    outage = [request for request in load.since(cut.start).requests if request not in load.ok]
    trial.expect(
        "recovers",
        bool(back),
        observed=f"no answer in the 10 s after the cut; {len(outage)} requests failed in all",
        expected="an answer within 10 s",
        hint="What are the Pods doing when the database is back? `kubectl get pods` says how they spend the time.",
    )
    _hangs(trial, within=HANG_NOTICED)


@exercise(
    "06.2",
    title="A slow start is no hang, and a hang is no slow start",
    seconds=200,
    files=("e2/orders.yaml",),
    baseline=("database.yaml",),
    claims={
        "cold": f"no container restarts while orders takes its {SLOW_START} s to start",
        "serves": "orders answers once it has started",
        "wedge": f"a Pod that hangs right after its start is restarted within {QUICKLY} s",
    },
    start="cold",
    hints=(
        "One probe has to be patient at the start and strict afterwards. Is there a probe for each of the two times?",
        how_long_until_the_kill,
        "Add the probe that holds the other two back until it has succeeded once, and give that one the patience.",
    ),
    why=(
        "A startup probe may fail for failureThreshold x periodSeconds; liveness and readiness wait until it has "
        "succeeded once and never hear of it again. So liveness keeps its 3 x 3 s, from the first second of real life."
    ),
)
def starts_slowly_and_hangs_quickly(trial: Trial) -> None:
    """orders now loads a price catalogue before it serves, which takes 45 s. Its Pod never gets ready: see why.

    Change `e2/orders.yaml` so that both are true (the catalogue stays as slow as it is):

    - orders starts without a single restart;
    - when it hangs, even right after its start, it is restarted within 15 s.

    **Measured:** one cold start under watch, then a hang. About 65 s.
    """
    started = trial.until(
        lambda: trial.seen.restarts("app=orders") or trial.live.is_available("orders"), within=SLOW_START + 25
    )
    restarts = trial.seen.restarts("app=orders")
    trial.require(
        "cold",
        restarts == 0,
        observed=f"restarted {restarts} times before it ever got ready",
        expected="0 restarts",
        hint="After how many seconds does your probe give up on a process that is still starting?",
    )
    trial.require(
        "serves",
        # Asked more than once: Pods get to know a new endpoint a moment after the API does.
        started and trial.until(lambda: trial.request("http://orders/orders").status == 200, within=8),
        observed="; ".join(trial.live.warnings()[:2]) or "not available in time",
        hint=f"`kubectl -n {trial.namespace} describe pod -l app=orders`",
    )
    environment = _environment(trial)
    trial.require(
        "cold",
        environment.get("STARTUP_SECONDS") == str(SLOW_START),
        observed=f"STARTUP_SECONDS is {environment.get('STARTUP_SECONDS')}",
        expected=f"STARTUP_SECONDS {SLOW_START}",
        hint="The catalogue stays slow; the probes have to live with it.",
    )
    _hangs(trial, within=QUICKLY)


def _environment(trial: Trial) -> dict[str, str]:
    """What the running container was started with."""
    container = trial.pods("app=orders")[0]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}


def _hangs(trial: Trial, *, within: float) -> None:
    """Make one ready Pod hang for good and expect Kubernetes to restart it."""
    ready = [pod for pod in trial.pods("app=orders") if trial.is_ready(pod)]
    if not ready:
        trial.expect("wedge", None, observed="no Pod was ready to be made to hang")
        return
    pod = ready[0]
    name = pod["metadata"]["name"]
    before = trial.live.restarts_of(pod)
    address = f"http://{pod['status']['podIP']}:8000"
    answer = trial.request(f"{address}/wedge", method="POST")
    hung = time.time()
    silent = trial.request(f"{address}/healthz", timeout=1)
    if answer.status != 202 or silent.status == 200:
        alive = f"the Pod could not be made to hang (status {answer.status}, then {silent.status})"
        trial.expect("wedge", None, observed=alive)
        return
    trial.say(f"{name} hangs; waiting up to {within:.0f} s for its restart")
    restarted = trial.until(
        lambda: any(
            trial.live.restarts_of(each) > before for each in trial.pods("app=orders") if each["metadata"]["name"] == name
        ),
        within=max(0, hung + within - time.time()),  # proving the silence took some of it
    )
    trial.expect(
        "wedge",
        restarted,
        observed="" if restarted else f"{name} was still hanging after {within:.0f} s",
        expected=f"a restart within {within:.0f} s",
        hint="Does any probe of yours notice a process that accepts connections and never answers? After how long?",
    )
