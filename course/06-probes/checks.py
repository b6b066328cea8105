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
    wants=("cut",),
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
        hint=f"What are the Pods doing when the database is back? `kubectl -n {trial.namespace} get pods` says how they spend the time.",
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


def who_is_asked(live: Live) -> str:
    """A hint from the readiness probes that run."""
    asked = {}
    for name in ("orders", "prices"):
        deployment = live.get("deployments", name)
        if deployment is None:
            return "Nothing is on stage yet: `goto` the exercise, or run the check once."
        probe = deployment["spec"]["template"]["spec"]["containers"][0].get("readinessProbe") or {}
        asked[name] = (probe.get("httpGet") or {}).get("path", "no URL")
    return (
        f"Your readiness probes ask: orders `{asked['orders']}`, prices `{asked['prices']}`. For each name after `need=`: if that "
        "one were away, could this Pod still answer a request?"
    )


@exercise(
    "06.3",
    title="Deep or shallow, one dependency at a time",
    seconds=180,
    files=("e3/shop.yaml",),
    wants=("cut",),
    baseline=("database.yaml", "e3/others.yaml"),
    claims={
        "serves": "orders and prices answer while everybody is there",
        "fault": "nobody reaches the one that is away",
        "calm": "no container restarts in all of this",
        "orders": "while the database is away, no Pod of orders is in the Service",
        "prices": "while the database is away, prices answers every request",
        "cache": "while the cache is away, both answer every request",
        "mail": "while the mail server is away, both answer every request",
    },
    start="prices",
    hints=(
        "Make a table: two services, three that they depend on. In each field: can it still answer without?",
        who_is_asked,
        "Readiness asks for what every request of this service needs, and for nothing else. A service that can answer alone is "
        "ready when it runs.",
    ),
    why=(
        "orders can do nothing without its database, so its readiness asks for that, and only for that. The cache and the mail server it "
        "can do without, and prices can do without anybody: a probe that asks for more than a request needs turns somebody else's "
        "fault into an outage of your own."
    ),
)
def asks_for_what_a_request_needs(trial: Trial) -> None:
    """Two services, and three that they depend on:

    | | orders | prices |
    |---|---|---|
    | `db` | every request needs it | the list is in memory, and read again when the database is there |
    | `cache` | makes it quicker | |
    | `mail` | a mail that can't be sent is sent later | |

    Somebody wrote one readiness probe for both, and it asks for all three. `/readyz?need=db&need=cache` asks for those that you name.

    Change `e3/shop.yaml` so that, whoever is away, everybody is in the Service who can still answer, nobody else is, and nothing restarts.

    **Measured:** 5 requests a second to each of the two while database, cache and mail server are cut off in turn. About 70 s.
    """
    both = trial.available("orders", within=30) and trial.available("prices", within=15)
    trial.require(
        "serves",
        both,
        observed="; ".join(trial.live.warnings()[:2]) or "not available in time",
        hint=f"`kubectl -n {trial.namespace} get pods`",
    )
    ports = {"db": 5432, "cache": 6379, "mail": 2525}
    with (
        trial.load("http://orders/orders", rate=5) as orders,
        trial.load("http://prices/prices", rate=5) as prices,
        trial.load("tcp://db:5432", rate=2) as db,
        trial.load("tcp://cache:6379", rate=2) as cache,
        trial.load("tcp://mail:2525", rate=2) as mail,
    ):
        canaries = {"db": db, "cache": cache, "mail": mail}
        trial.until(lambda: orders.ok and prices.ok, within=10)
        cuts = {}
        for name in ports:
            before = time.time()
            flows = (orders, prices, canaries[name])
            trial.until(lambda: all(load.since(before).ok for load in flows), within=12)
            with trial.cut(f"app={name}") as cuts[name]:
                trial.wait(10)
        trial.wait(2)
    tries = {name: canaries[name].between(cut.start + 2, cut.end - 1) for name, cut in cuts.items()}
    reached = {name: len(tried.ok) for name, tried in tries.items()}
    trial.require(
        "fault",
        not any(reached.values()) if all(tries.values()) else None,
        observed=f"connections that succeeded nevertheless: {reached}",
    )
    away = cuts["db"]
    ready = [count for _, count in trial.seen.ready("orders", away.start + 6, away.end - 0.5)]
    trial.expect(
        "orders",
        ready and max(ready) == 0,
        observed=f"up to {max(ready, default=0)} ready addresses of orders, from the 6th second of the cut on",
        expected="0",
        hint="What does orders answer without its database? Who should know?",
    )
    for claim, name in (("prices", "db"), ("cache", "cache"), ("mail", "mail")):
        cut = cuts[name]
        loads = {"prices": prices} if claim == "prices" else {"orders": orders, "prices": prices}
        failed = {n: len(load.between(cut.start, cut.end).failed) for n, load in loads.items()}
        answers = min(len(load.between(cut.start, cut.end)) for load in loads.values())
        trial.expect(
            claim,
            False if any(failed.values()) else True if answers >= 10 else None,
            observed=f"failed requests while {name} was away: {failed}"
            if answers >= 10
            else f"only {answers} answers came while {name} was away: is this machine too busy?",
            expected="none",
            hint=f"Can it answer without {name}? Then who took it out of the Service?",
        )
    restarts = trial.seen.restarts("app=orders") + trial.seen.restarts("app=prices")
    trial.expect(
        "calm",
        restarts == 0,
        observed=f"{restarts} restarts",
        expected="0 restarts",
        hint="Which probe restarts, and what does yours ask?",
    )


def what_the_probe_got(live: Live) -> str:
    """A hint from the newest complaint about a readiness probe."""
    complaints = [text for text in live.warnings() if text.startswith("Unhealthy")]
    if complaints:
        return (
            f"Your cluster says: `{complaints[0]}`. Under twice the load a quote gets either a place in the queue or a 503. "
            "Which of the URLs in the task doesn't go through the queue?"
        )
    return "Nobody complains while the load is small. Run the check, then ask for a hint again."


@exercise(
    "06.4",
    title="Busy is not unready",
    seconds=150,
    files=("e4/quotes.yaml",),
    claims={
        "serves": "quotes answers under little load",
        "load": "twice as many requests come as two Pods can answer",
        "calm": "no container restarts under that load",
        "flap": "no Pod leaves the Service because of it",
        "stuck": "a Pod whose workers are stuck leaves the Service within 15 s",
    },
    start="flap",
    hints=(
        "Under load, who else waits where your readiness probe waits?",
        what_the_probe_got,
        "Ask a URL that doesn't wait in the queue of the requests, and still knows whether work gets done.",
    ),
    why=(
        "A probe that waits behind the requests fails exactly when there are many. The Pod leaves, its load goes to the next one, and "
        "that leaves too. /readyz asks another question: does work get done? It asks it past the queue."
    ),
)
def stays_in_under_load(trial: Trial) -> None:
    """Two Pods of quotes answer 10 requests a second each. More than that wait, eight a Pod, and what is too much gets a 503 at once: so
    far, well built. But under load the Pods leave the Service, both of them, come back, and leave again.

    Change `e4/quotes.yaml` so that

    - at twice the load both Pods stay in the Service, and none restarts;
    - a Pod whose workers are stuck still leaves it within 15 s.

    `GET /quote` is what users ask. `/readyz` says whether the workers have finished anything in the last 5 s, and waits in no queue;
    `/healthz` asks only the process.

    **Measured:** 40 requests a second for 20 s, then one Pod with stuck workers. About 50 s.
    """
    trial.require(
        "serves",
        trial.available("quotes", within=40),
        observed="; ".join(trial.live.warnings()[:2]) or "not available in time",
        hint=f"`kubectl -n {trial.namespace} get pods`",
    )
    with trial.load("http://quotes/quote", rate=2) as little:
        trial.until(lambda: len(little.ok) >= 3, within=10)
    trial.require("serves", bool(little.ok), observed=repr(little))
    with trial.load("http://quotes/quote", rate=40) as load:
        load.collect(80, within=20)
        since = time.time()
        trial.wait(20)
        until = time.time()
    answered = load.between(since, until)
    trial.require(
        "load",
        len(answered) >= 600 and len(answered.failed) >= len(answered) / 5,
        observed=f"{len(answered)} requests in 20 s, {len(answered.failed)} of them without a quote",
    )
    restarts = trial.seen.restarts("app=quotes")
    trial.expect(
        "calm",
        restarts == 0,
        observed=f"{restarts} restarts",
        expected="0 restarts",
        hint="Does a restart help against too many requests?",
    )
    ready = [count for _, count in trial.seen.ready("quotes", since, until)]
    trial.expect(
        "flap",
        min(ready) == 2,
        observed=f"{len(ready) - 1} changes of the ready addresses in 20 s, and as few as {min(ready)} of 2",
        expected="2 all along",
        hint="What does your readiness probe wait for, under load?",
    )
    both = trial.until(lambda: sum(trial.is_ready(pod) for pod in trial.pods("app=quotes")) == 2, within=20)
    if not both:
        trial.expect("stuck", None, observed="the two Pods did not get ready again after the load")
        return
    pod = trial.pods("app=quotes")[0]
    name = pod["metadata"]["name"]
    with trial.load("http://quotes/quote", rate=10):
        trial.request(f"http://{pod['status']['podIP']}:8000/stick", method="POST")
        trial.say(f"the workers of {name} are stuck; waiting up to 15 s for it to leave")
        left = trial.until(lambda: not trial.is_ready(trial.get("pods", name) or {}), within=15)
    trial.expect(
        "stuck",
        left,
        observed=f"{name} was in the Service for 15 s and finished nothing",
        expected="out within 15 s",
        hint="Does your readiness probe notice that no worker gets anything done?",
    )


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
            trial.live.restarts_of(each) > before
            for each in trial.pods("app=orders")
            if each["metadata"]["name"] == name
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
