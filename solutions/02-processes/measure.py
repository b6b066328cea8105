"""What lesson 02 measures, as functions: its cells call them, and `python measure.py` records a whole run.

    DOCKER_HOST=unix:///var/run/docker.sock python measure.py > recorded.json

The images orders:1, reports:1 and shop:demo must be there; lesson("02") and its first cells build them.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import docker

GRACE = 8  # seconds between SIGTERM and SIGKILL, as in `docker stop --time 8`
UVICORN = "uvicorn main:app --host 0.0.0.0 --port 8000"
RACERS = {
    "exec form": {"command": UVICORN.split()},
    "sh -c": {"command": ["sh", "-c", UVICORN]},
    "script without exec": {"command": ["sh", "start.sh"]},
    "bash -c": {"command": ["bash", "-c", UVICORN]},
    "python, no handler": {"command": ["python", "naive.py"]},
    "sh -c with --init": {"command": ["sh", "-c", UVICORN], "init": True},
}


def get(url, timeout=20.0, method="GET"):
    """The status of one request, or one word for what happened to it."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=timeout) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, EOFError) as error:
        refused = "refused" in str(error)
        return "refused" if refused else "cut off"


@contextmanager
def running(engine, image, **options):
    """A container with its port 8000 published, once it answers; and the URL. Removed at the end."""
    container = engine.containers.run(image, detach=True, ports={"8000/tcp": ("127.0.0.1", None)}, **options)
    try:
        container.reload()
        url = "http://127.0.0.1:" + container.attrs["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"]
        deadline = time.monotonic() + 30
        while get(url + "/healthz", timeout=2) != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{image} does not answer: {container.logs()[-300:]}")
            time.sleep(0.05)
        yield container, url
    finally:
        container.remove(force=True)


def race(engine, name):
    """One wrapping: `docker stop` with a request of 2 s under way; what became of both."""
    with running(engine, "shop:demo", **RACERS[name]) as (container, url):
        result = {"wrapping": name, "request under way": "?"}
        client = threading.Thread(
            target=lambda: result.update({"request under way": get(url + "/slow?seconds=2")})
        )
        client.start()
        time.sleep(0.5)
        began = time.monotonic()
        container.stop(timeout=GRACE)
        result["seconds"] = round(time.monotonic() - began, 1)
        client.join()
        container.reload()
        result["exit code"] = container.attrs["State"]["ExitCode"]
        result["killed"] = result["exit code"] == 137
        return result


def race_all(engine):
    """All of them at once: they wait more than they work."""
    with ThreadPoolExecutor(len(RACERS)) as pool:
        return list(pool.map(lambda name: race(engine, name), RACERS))


RAW = "python -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'"
CODE = "echo '# mine' >> main.py"
ATTEMPTS = {
    "change the code": CODE,
    "raw socket": RAW,
    "be root by setuid": 'test "$(id-as-owner -u)" = 0',
    "then raw socket": f'test "$(id-as-owner -u)" = 0 && sh-as-owner -pc "{RAW}"',
    "then the code": f'test "$(id-as-owner -u)" = 0 && sh-as-owner -pc "{CODE}"',
}
FENCES = {
    "root": {"user": "0"},
    "--user 1000": {"user": "1000"},
    "and --cap-drop ALL": {"cap_drop": ["ALL"]},
    "and --read-only": {"read_only": True},
    "and no-new-privileges": {"security_opt": ["no-new-privileges"]},
}


def break_in(engine):
    """What somebody who runs commands in a container gets done, with one more fence in each row."""
    script = "; ".join(f"({attempt}) 2>/dev/null && echo yes || echo no" for attempt in ATTEMPTS.values())
    rows, options = [], {}
    for title, fence in FENCES.items():
        options |= fence
        said = engine.containers.run("shop:demo", ["sh", "-c", script], remove=True, **options)
        rows.append({"fence": title, **dict(zip(ATTEMPTS, said.decode().split(), strict=True))})
    return rows


def memory_of(container):
    """Megabytes that the container holds, as `docker stats` counts them, and its limit."""
    said = container.stats(stream=False, one_shot=True)["memory_stats"]
    cache = said.get("stats", {})
    reclaimable = cache.get("total_inactive_file", cache.get("inactive_file", 0))
    return (said["usage"] - reclaimable) / 2**20, said["limit"] / 2**20


def leak(engine, step=10, up_to=300, **options):
    """Leak `step` megabytes a request until the container dies or `up_to` are leaked; what was seen."""
    rows = []
    with running(engine, "reports:1", **options) as (container, url):
        for leaked in range(0, up_to, step):
            if get(f"{url}/leak?megabytes={step}", method="POST") != 200:
                break
            rows.append({"leaked, MB": leaked + step, "held, MB": round(memory_of(container)[0])})
        for _ in range(20):  # the kernel first kills, then the engine notices
            container.reload()
            if len(rows) == up_to // step or not container.attrs["State"]["Running"]:
                break
            time.sleep(0.1)
        state = {key: container.attrs["State"][key] for key in ("Status", "ExitCode", "OOMKilled")}
        return rows, state, container.logs().decode()


def throttled(container):
    """How many of the kernel's periods of 100 ms a container ran in, and in how many it was stopped."""
    said = container.stats(stream=False, one_shot=True)["cpu_stats"].get("throttling_data", {})
    return said.get("periods", 0), said.get("throttled_periods", 0)


def squeeze(engine, title, seconds=10, rate=2.3, **options):
    """GET /price, 30 ms of CPU each, `rate` a second; latencies and what the kernel counted."""
    with running(engine, "reports:1", **options) as (container, url):
        used = -container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
        began = time.monotonic()

        def ask(number):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent = time.monotonic()
            status = get(url + "/price?milliseconds=30")
            return (time.monotonic() - sent) * 1000 if status == 200 else float("inf")

        with ThreadPoolExecutor(16) as pool:
            times = sorted(pool.map(ask, range(round(seconds * rate))))
        used += container.stats(stream=False, one_shot=True)["cpu_stats"]["cpu_usage"]["total_usage"]
        periods, stopped = throttled(container)
    return {
        "run": title,
        "p50, ms": round(times[len(times) // 2]),
        "p95, ms": round(times[int(len(times) * 0.95)]),
        "CPU, % of a core": round(used / 1e7 / (time.monotonic() - began)),
        "periods": periods,
        "throttled": stopped,
    }


def squeeze_all(engine):
    """The same load on three containers at once: no limit, a whole core, a fifth of one."""
    runs = {"no limit": {}, "--cpus 1": {"nano_cpus": 10**9}, "--cpus 0.2": {"nano_cpus": 2 * 10**8}}
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda title: squeeze(engine, title, **runs[title]), runs))


BURN = """
import time
end = time.time() + 4
while time.time() < end: pass
print(time.process_time())
"""


def compete(engine, weights=(1024, 256)):
    """Containers that all want the same core for 4 s; how many seconds of it each of them got."""

    def burn(weight):
        options = {"cpu_shares": weight, "cpuset_cpus": "0", "remove": True}
        used = float(engine.containers.run("orders:1", ["python", "-c", BURN], **options))
        return {"--cpu-shares": weight, "CPU, s": round(used, 1)}

    with ThreadPoolExecutor(len(weights)) as pool:
        return list(pool.map(burn, weights))


def recorded(name):
    """A part of the run that recorded.json keeps: the same functions, on a Docker Engine with cgroups."""
    return json.loads(Path(__file__).with_name("recorded.json").read_text())[name]


def record(engine):
    """Measure all of it."""
    said = engine.version()
    rows, state, _ = leak(engine, mem_limit="128m", memswap_limit="128m")
    return {
        "engine": f"Docker Engine {said['Version']}, Linux {said['KernelVersion'].split('-')[0]}",
        "recorded": time.strftime("%Y-%m-%d") + ", by `python measure.py`",
        "race": race_all(engine),
        "fences": break_in(engine),
        "leak": rows,
        "end": state,
        "squeeze": squeeze_all(engine),
        "compete": compete(engine),
    }


if __name__ == "__main__":
    json.dump(record(docker.from_env()), sys.stdout, indent=1)
    print()
