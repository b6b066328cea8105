"""Lesson 02, a container is a process: how each exercise is staged and judged."""

import json
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dockyard.exercises import CommandFailed, Running, Trial, Workbench, exercise

PATIENCE = 6  # seconds that `docker stop` waits in E1 before it kills
IN_TIME = 5.0  # seconds in which the container must have ended by itself
LEAK_STEP, LEAK_BUDGET = 10, 300  # megabytes
REPORT = 60  # megabytes that one report needs while it is made
RATE, SECONDS, ROUNDS = 2.3, 6, 2  # load in E4; a busy machine gets more than one round
PRICE = "/price?milliseconds=30"


def who_is_pid_1(bench: Workbench) -> str:
    """A hint from a container of the learner's own image."""
    running = bench.start(bench.built("e1").image)
    try:
        _answer(running.url + "/healthz", within=10)
        table = running.container.top()
        command = table["Titles"].index("CMD") if "CMD" in table["Titles"] else -1
        processes = [row[command] for row in table["Processes"]]
    finally:
        running.container.remove(force=True)
    rest = f" The others: `{'`, `'.join(processes[1:])}`." if processes[1:] else " There is no other."
    return (
        f"Your image was built and started, and `docker top` was asked. PID 1 is `{processes[0]}`.{rest} "
        "`docker stop` signals PID 1 and nobody else. What does yours do with SIGTERM?"
    )


def what_may_it_do(bench: Workbench) -> str:
    """A hint from what the kernel says of the learner's process."""
    running = bench.started("e2/run.sh", IMAGE=bench.built("e2").image)
    said = json.loads(_answer(running.url + "/self", within=10)[1])
    status, body = _answer(running.url + "/invoices", method="POST")
    end = running.logs().strip().splitlines()[-1:]
    wrote = "works" if status == 201 else f"answers {status}; its log ends with `{end[0] if end else body}`"
    return (
        f"Your container was started. The kernel says of the process: Uid {said['Uid'].split()[0]}, "
        f"CapEff {said['CapEff']}, CapBnd {said['CapBnd']}. POST /invoices {wrote}. Root writing to `/`: "
        f"{'refused' if _sealed(running) else 'allowed'}. Which of these four isn't yet what the task "
        "asks for?"
    )


def what_does_it_need(bench: Workbench) -> str:
    """A hint from the memory of the learner's container, at rest and at work."""
    running = bench.started("e3/run.sh")
    _answer(running.url + "/healthz", within=10)
    rest = _memory(running)
    status, _ = _answer(f"{running.url}/report?megabytes={REPORT}")
    limit = running.container.attrs["HostConfig"]["Memory"] // 2**20
    made = "was made" if status == 200 else "was not made: the container died of it"
    return (
        f"Your container was started: {rest:.0f} MB at rest, and a report takes {REPORT} MB on top of "
        f"that. The report {made}. Its limit is {f'{limit} MB' if limit else 'none'}. The leak may take "
        f"{LEAK_BUDGET} MB. Between which two numbers does a good limit lie?"
    )


def how_often_stopped(bench: Workbench) -> str:
    """A hint from the kernel's count of throttled periods."""
    running = bench.started("e4/run.sh")
    _answer(running.url + "/healthz", within=10)
    times = []
    for _ in range(8):
        began = time.monotonic()
        _answer(running.url + PRICE)
        times.append((time.monotonic() - began) * 1000)
    periods, stopped = _throttling(running)
    quota = running.container.attrs["HostConfig"]["NanoCpus"] / 1e9
    share = f"{quota * 100:.0f} ms of CPU in each period of 100 ms" if quota else "no quota"
    return (
        f"Your container was started and asked for eight prices: {min(times):.0f} to {max(times):.0f} ms "
        f"each, for 30 ms of work. It has {share}; the kernel stopped it in {stopped} of {periods} "
        "periods. What does the process do between the moment when its quota is used up and the next "
        "period?"
    )


@exercise(
    "02.1",
    title="A request under way survives docker stop",
    seconds=75,
    on="engine",
    files=("e1/**",),
    claims={
        "builds": "the image builds",
        "serves": "a container of it answers GET /healthz",
        "underway": "a request was under way when docker stop was called",
        "answered": "that request is answered with 200",
        "ends": f"the container ends by itself within {IN_TIME:.0f} s",
        "code": "its exit code is 0 or 143",
    },
    start="ends",
    hints=(
        "docker stop sends SIGTERM to one process of the container. Find out which, and whether it does "
        "anything about it.",
        who_is_pid_1,
        "Let the server be PID 1: either nothing stands in front of it, or what stands there gives its "
        "place away.",
    ),
    why=(
        "exec replaces the shell by uvicorn: same PID, another program. So PID 1 has a handler for "
        "SIGTERM, finishes the requests under way and ends. A shell without exec stays PID 1, and a PID "
        "1 without a handler is deaf to SIGTERM."
    ),
)
def survives_a_stop(trial: Trial) -> None:
    """Every deploy of orders takes ten seconds for each container that is replaced, and cuts off customers
    whose order is just being written.

    Change what is in `e1/` so that `docker stop` ends the container within 5 s, by itself, and a request
    that is under way at that moment is still answered. The line that says which release starts should stay
    in the log.

    **Measured:** a request of 2 s, and `docker stop` half a second into it, which would kill after 6 s.
    About 10 s.
    """
    running = trial.start(_built(trial, "e1", "orders"))
    _serves(trial, running)
    deaf = _pid_1_is_deaf(trial)
    with trial.load(running.url + "/slow?seconds=2", count=1, timeout=PATIENCE + 4) as load:
        trial.wait(0.7)
        began = time.time()
        running.container.stop(timeout=PATIENCE)
        seconds = time.time() - began
        load.collect(1, within=PATIENCE + 4)
    request = load.requests[0]
    trial.require(
        "underway",
        request.t < began - 0.2 and request.end > began - 0.05,
        observed=f"{request.label}; from {request.t - began:+.1f} to {request.end - began:+.1f} s of it",
        hint="Does GET /slow?seconds=2 still take its two seconds?",
    )
    if not deaf:
        because = "PID 1 has no PID namespace, and hears SIGTERM without a handler"
        for claim in ("answered", "ends", "code"):
            trial.cannot(claim, because)
        return
    code = running.state()["ExitCode"]
    trial.expect(
        "answered",
        request.status == 200,
        observed=f"{request.label}, {request.end - began:.1f} s after docker stop; exit code {code}",
        expected="200",
        hint="Somebody ended before uvicorn had finished. Who, and who told it to?",
    )
    trial.expect(
        "ends",
        seconds < IN_TIME,
        observed=f"{seconds:.1f} s after docker stop it ended with exit code {code}",
        expected=f"an end within {IN_TIME:.0f} s",
        hint="Which process is PID 1, and does it have a handler for SIGTERM?",
    )
    trial.expect(
        "code",
        code in (0, 143),
        observed=f"exit code {code}",
        expected="0, or 143, which is 128 + SIGTERM",
        hint="137 is 128 + SIGKILL: nobody asked the process. What would make anything else?",
    )


@exercise(
    "02.2",
    title="Nothing to gain inside",
    seconds=75,
    on="engine",
    files=("e2/**",),
    claims={
        "starts": "the image builds and run.sh starts a container of it",
        "serves": "reports answers GET /healthz",
        "writes": "POST /invoices stores an invoice, and GET returns it",
        "user": "its process is not root",
        "sealed": "not even root can write to the container's root file system",
        "capabilities": "no process in it has a capability or can get one",
    },
    start="user",
    hints=(
        "Three things protect each other: who the process is, what it may write, what it may ask of the "
        "kernel. See which of them the image says and which docker run says.",
        what_may_it_do,
        "Another user, a read-only root file system, no capabilities; and for what the service does "
        "write, a place in memory that it may write to.",
    ),
    why=(
        "USER makes a stranger of the process, --read-only seals what it could change, --cap-drop ALL "
        "empties the set from which a setuid program could take powers back. The tmpfs is the one place "
        "left to write to, and it ends with the container."
    ),
)
def nothing_to_gain(trial: Trial) -> None:
    """reports runs as root, in a file system that it may write to, with fourteen capabilities that it never
    uses. Whoever finds a hole in it can change its code.

    Change `e2/Dockerfile` and `e2/run.sh` so that the process isn't root, nobody in the container can write
    to its root file system, and no capability is left; and so that invoices are still stored. They may be
    stored in another place.

    **Measured:** an invoice written and read, what the kernel says of the process, and an attempt to write
    to `/` as root. About 8 s.
    """
    running = _scripted(trial, "e2/run.sh", IMAGE=_built(trial, "e2", "reports", claim="starts"))
    _serves(trial, running)
    text = f"paid-{trial.token}"
    status, body = _answer(f"{running.url}/invoices?text={text}", method="POST")
    stored = (
        _answer(f"{running.url}/invoices/{json.loads(body)['number']}") if status == 201 else (status, body)
    )
    trial.expect(
        "writes",
        text in stored[1],
        observed=f"POST answered {status}, GET {stored[0]}; the log ends: {_last_line(running)}",
        hint="Where does the service write its draft, where the invoice, and who owns these places?",
    )
    said = json.loads(_answer(running.url + "/self")[1])
    uid = said["Uid"].split()[1]
    if uid != "0":
        trial.expect("user", True)
    elif _run(trial, "grep ^Uid: /proc/self/status", user="1000").split()[2:3] == ["1000"]:
        hint = "Who does the image say it runs as? `docker inspect` shows Config.User."
        trial.expect("user", False, observed="its effective uid is 0", expected="any other", hint=hint)
    else:
        trial.cannot(
            "user",
            "a container told to run as user 1000 runs as root",
        )
    if _sealed(running):
        trial.expect("sealed", True)
    elif _run(trial, "touch /canary && echo written", user="0", read_only=True) != "written":
        hint = "Which option of docker run makes the whole root file system refuse writes?"
        trial.expect(
            "sealed", False, observed="root wrote a file to /", expected="Read-only file system", hint=hint
        )
    else:
        trial.cannot("sealed", "a container with --read-only can still be written to")
    if int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0:
        trial.expect("capabilities", True)
    elif _run(trial, "grep CapBnd /proc/self/status", cap_drop=["ALL"]).split()[-1:] == ["0" * 16]:
        trial.expect(
            "capabilities",
            False,
            observed=f"CapEff {said['CapEff']}; CapBnd, which a setuid program may draw on, {said['CapBnd']}",
            expected="0 in both",
            hint="Another user gives up what is in effect. Which option empties the bounding set?",
        )
    else:
        trial.cannot("capabilities", "dropped capabilities stay")


@exercise(
    "02.3",
    title="A leak ends in its own container",
    seconds=75,
    on="engine",
    files=("e3/run.sh",),
    claims={
        "starts": "run.sh starts a container",
        "serves": "reports answers GET /healthz",
        "steady": "twelve reports are made and the container lives on",
        "stopped": f"a leak ends the container before it has taken {LEAK_BUDGET} MB",
        "oom": "the kernel ended it for its memory: OOMKilled, exit code 137",
    },
    start="stopped",
    hints=(
        "A limit has two sides: what the service needs on its busiest day, and what you can afford to "
        "lose. Measure the first.",
        what_does_it_need,
        "Give the container a hard limit, above rest plus one report and below what the leak may take.",
    ),
    why=(
        "The limit belongs to the container's cgroup. When the processes in it need more and nothing can "
        "be reclaimed, the kernel kills in this cgroup and nowhere else. Without one, the machine runs "
        "out first, and the kernel picks whoever is largest."
    ),
)
def a_leak_stays_at_home(trial: Trial) -> None:
    """reports leaks: some request keeps memory for ever, and nobody has found out which. Last night the
    machine ran out of memory, and the kernel killed the database, which was larger.

    Change `e3/run.sh` so that a leak ends the container of reports before it has taken 300 MB, and normal
    work never does. Normal work is the monthly report: 60 MB for as long as it is made, one at a time.

    **Measured:** twelve reports, then a leak of 10 MB a request until the container ends or 300 MB are
    gone. About 10 s.
    """
    running = _scripted(trial, "e3/run.sh")
    _serves(trial, running)
    began = running.state()["StartedAt"]
    with trial.load(f"{running.url}/report?megabytes={REPORT}", rate=6, count=12, timeout=20) as load:
        load.collect(12, within=30)
    alive = running.state()
    trial.require(
        "steady",
        len(load.ok) == 12 and alive["Running"] and alive["StartedAt"] == began,
        observed=f"{len(load.ok)} of 12; the container is {alive['Status']}, OOMKilled {alive['OOMKilled']}",
        expected="12 reports, and no end",
        hint="How much does the container hold while a report is made? `docker stats` says it.",
    )
    since = time.time() - 1
    leaked = 0
    while (
        leaked < LEAK_BUDGET
        and _answer(f"{running.url}/leak?megabytes={LEAK_STEP}", method="POST", timeout=5)[0] == 200
    ):
        leaked += LEAK_STEP
    ended = leaked < LEAK_BUDGET and trial.until(lambda: _has_ended(running, began), within=5)
    if not ended and not _memory_is_limited(trial):
        for claim in ("stopped", "oom"):
            trial.cannot(claim, "a container may take more memory than its limit")
        return
    trial.require(
        "stopped",
        ended,
        observed=f"{leaked} MB leaked, and the container is {running.state()['Status']}",
        expected=f"its end before {LEAK_BUDGET} MB",
        hint="Which option of docker run is a limit, and which only a wish? What number does yours give?",
    )
    codes, killed = _end(trial, running, since)
    trial.expect(
        "oom",
        killed and "137" in codes,
        observed=f"OOMKilled {killed}, exit code {', '.join(codes)}",
        expected="OOMKilled true, exit code 137",
        hint="Something ended the container, and it was not the limit.",
    )


@exercise(
    "02.4",
    title="Slow with a CPU to spare",
    seconds=100,
    on="engine",
    files=("e4/run.sh",),
    claims={
        "starts": "run.sh starts a container",
        "serves": "every request for a price is answered",
        "unthrottled": "the kernel stops it in at most one of fifty periods",
        "fast": "its median answer takes at most 2.5 times as long as without a quota",
    },
    start="unthrottled",
    hints=(
        "7 % of a core on average, and a quota of 20 %. Look at one request instead of the average.",
        how_often_stopped,
        "Let it finish its burst: no quota, or one that a burst never reaches. A weight already says who "
        "goes first.",
    ),
    why=(
        "A quota counts in periods of 100 ms: 20 % are 20 ms in each. A price takes 30, so every single "
        "request is stopped in the middle until the next period. A weight (--cpu-shares) only counts "
        "when somebody else wants the CPU too."
    ),
)
def fast_with_a_weight(trial: Trial) -> None:
    """reports takes 30 ms of CPU for a price, twice a second: 7 % of a core. It was given 20 %. Since then
    customers wait about twice as long, on a machine that has nothing else to do.

    Change `e4/run.sh` so that the kernel doesn't stop it in the middle of its work, and answers come as
    fast as they do without a limit.

    **Measured:** 2 requests a second for 6 s, to your container, to the same without a quota and to the
    same with 20 %, side by side. About 10 s; longer on a busy machine.
    """
    mine = _scripted(trial, "e4/run.sh")
    # On a busy machine the weight counts, so it is the same in all three.
    said = mine.container.attrs["HostConfig"]
    same = {"cpu_shares": said["CpuShares"], "cpuset_cpus": said["CpusetCpus"]}
    free = trial.start("reports:1", **same)
    tight = trial.start("reports:1", nano_cpus=200_000_000, **same)
    _serves(trial, mine)
    for other in (free, tight):
        _answer(other.url + "/healthz", within=15)
    for _ in range(ROUNDS):
        mine_ran, free_ran, tight_ran = _side_by_side(trial, (mine, free, tight))
        shows = not free_ran.failed and (tight_ran.stopped >= 0.06 or tight_ran.median >= 2 * free_ran.median)
        if shows or trial.remaining < 30:
            break
    if not shows:
        because = (
            f"with 20 % of a core a price takes {tight_ran.median:.0f} ms, "
            f"and {free_ran.median:.0f} ms without a quota. Either quotas have no effect here, or this "
            "machine is too busy for them to matter"
        )
        trial.cannot("unthrottled", because)
        trial.cannot("fast", because)
        return
    lost = f"{mine_ran.failed} of {RATE * SECONDS:.0f} requests were not answered"
    trial.require("serves", not mine_ran.failed, observed=lost, hint="Read the container's log.")
    if tight_ran.stopped:
        trial.expect(
            "unthrottled",
            mine_ran.stopped <= 0.02,
            observed=f"in {mine_ran.stopped:.0%} of its periods; a price took {mine_ran.median:.0f} ms",
            expected=f"at most 2 %; without a quota a price took {free_ran.median:.0f} ms",
            hint="How many milliseconds of CPU does one request need, and how many does a period give?",
        )
    else:
        trial.cannot("unthrottled", "the engine does not count throttled periods")
    trial.expect(
        "fast",
        mine_ran.median <= 2.5 * free_ran.median,
        observed=f"median {mine_ran.median:.0f} ms, p99 {mine_ran.p99:.0f} ms",
        expected=f"at most {2.5 * free_ran.median:.0f} ms; without a quota it is {free_ran.median:.0f}",
        hint="What is the process waiting for, if the CPU has time?",
    )


@dataclass(frozen=True)
class Ran:
    """What one container did with its load: milliseconds, and the share of its periods that were
    throttled."""

    failed: int
    median: float
    p99: float
    stopped: float


def _side_by_side(trial: Trial, containers: tuple[Running, ...]) -> list[Ran]:
    """The same load on each of the containers, at the same time."""
    before = [_throttling(running) for running in containers]
    count = round(RATE * SECONDS)
    with ExitStack() as stack:
        loads = [
            stack.enter_context(trial.load(running.url + PRICE, rate=RATE, count=count, timeout=15))
            for running in containers
        ]
        for load in loads:
            load.collect(count, within=SECONDS + 16)
    rows = []
    for running, load, (periods, stopped) in zip(containers, loads, before, strict=True):
        now, stopped_now = _throttling(running)
        share = (stopped_now - stopped) / max(1, now - periods)
        rows.append(Ran(len(load.failed), load.quantile(0.5), load.quantile(0.99), share))
    return rows


# What the checks share


def _built(trial: Trial, folder: str, tag: str, claim: str = "builds") -> str:
    """The image of a folder, or the end of the trial with the engine's message."""
    try:
        image = trial.build(folder, tag).image
    except CommandFailed as failed:
        hint = "The engine's message names the step that failed."
        trial.require(claim, False, observed=str(failed)[-400:], hint=hint)
        raise
    trial.expect(claim, True)
    return image


def _scripted(trial: Trial, file: str, **env: str) -> Running:
    """The container that a script starts, its port published; else the end of the trial."""
    try:
        running = trial.script(file, **env)
    except CommandFailed as failed:
        trial.require("starts", False, observed=str(failed)[-400:], hint=f"Run `sh {file}` yourself.")
        raise
    published = bool(running.url) or not running.state()["Running"]
    hint = "Keep --publish 127.0.0.1::8000: the check asks there."
    trial.require("starts", published, observed="port 8000 is not published", hint=hint)
    return running


def _serves(trial: Trial, running: Running) -> None:
    status, _ = _answer(running.url + "/healthz", within=25)
    trial.require(
        "serves",
        status == 200,
        observed=f"no answer on port 8000 to GET /healthz; the log ends: {_last_line(running)}",
        hint="Run it yourself with port 8000 published, and read its log.",
    )


def _answer(url: str, *, method: str = "GET", timeout: float = 8.0, within: float = 0.0) -> tuple[int, str]:
    """Status and body; 0 when there was none. Asks again until it is 200, `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, method=method), timeout=timeout
            ) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            answer = error.code, error.read().decode(errors="replace")
        except (OSError, EOFError, ValueError):
            answer = 0, ""
        if time.monotonic() >= deadline:
            return answer
        time.sleep(0.05)


def _last_line(running: Running) -> str:
    return (running.logs().strip().splitlines() or ["(empty)"])[-1][-200:]


def _run(trial: Trial, script: str, **options: Any) -> str:
    """What a shell script prints in a container of its own; nothing when it fails."""
    container = trial.docker.containers.create("orders:1", ["sh", "-c", script], **options)
    try:
        container.start()
        container.wait(timeout=20)
        return str(container.logs(stderr=False).decode().strip())
    finally:
        container.remove(force=True)


def _pid_1_is_deaf(trial: Trial) -> bool:
    """Whether a PID 1 without a handler survives SIGTERM here, as in a PID namespace it does."""
    return _run(trial, "kill -TERM $$; echo survived") == "survived"


def _sealed(running: Running) -> bool:
    """Whether root in the container is refused to write to /."""
    code, _ = running.container.exec_run(["touch", "/written-by-the-check"], user="0")
    return bool(code != 0)


def _memory(running: Running) -> float:
    """Megabytes that the container holds."""
    return float(running.container.stats(stream=False)["memory_stats"].get("usage", 0) / 2**20)


def _memory_is_limited(trial: Trial) -> bool:
    """Whether taking 200 MB with a limit of 64 MB ends a process here."""
    program = "import time; held = b'x' * 200_000_000; time.sleep(2); print('held')"
    return _run(trial, f'python -c "{program}"', mem_limit="64m", memswap_limit="64m") != "held"


def _has_ended(running: Running, began: str) -> bool:
    """Whether the container's process has ended, also when a policy has started another one since."""
    state = running.state()
    return not state["Running"] or bool(state.get("Restarting")) or state["StartedAt"] != began


def _end(trial: Trial, running: Running, since: float) -> tuple[list[str], bool]:
    """The exit codes that the engine reported since then, and whether memory was the reason."""
    filters = {"container": running.container.id, "event": ["die", "oom"]}
    events = list(trial.docker.events(since=since, until=time.time() + 0.5, filters=filters, decode=True))
    codes = [event["Actor"]["Attributes"]["exitCode"] for event in events if event["Action"] == "die"]
    return codes, running.state()["OOMKilled"] or any(event["Action"] == "oom" for event in events)


def _throttling(running: Running) -> tuple[int, int]:
    """Periods in which the container ran under a quota, and those in which it was stopped."""
    said = running.container.stats(stream=False)["cpu_stats"].get("throttling_data") or {}
    return said.get("periods", 0), said.get("throttled_periods", 0)
