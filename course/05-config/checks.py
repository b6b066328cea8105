"""Lesson 05, configuration and Secrets: how its first three exercises are staged and judged."""

import base64
import json
import secrets
import time
import tomllib
from typing import Any

from dockyard.exercises import ApiFailed, CommandFailed, Live, Trial, exercise

OLD_RATE = "19"  # what pricing's image says
CHANGED_WITHIN = 95  # a kubelet looks at its Pods' volumes once in 60 to 90 s
SOURCES = ("environment", "file", "subpath", "at-start")
KINDS_TO_SEARCH = (
    "pods",
    "services",
    "configmaps",
    "events",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "persistentvolumeclaims",
    "serviceaccounts",
)


def where_the_rate_is(live: Live) -> str:
    """A hint from the environment and the volumes of the Pods that run."""
    pods = live.pods("app=pricing")
    if not pods:
        return f"There is no Pod of pricing. Is the exercise on stage? `kubectl -n {live.namespace} get all` shows what is there."
    container = pods[0]["spec"]["containers"][0]
    names = [entry["name"] for entry in container.get("env", ())]
    mounted = [volume["name"] for volume in pods[0]["spec"].get("volumes", ()) if "configMap" in volume]
    maps = [found["metadata"]["name"] for found in live.list("configmaps") if found["metadata"]["name"] != "kube-root-ca.crt"]
    return (
        f"ConfigMaps here: {_words(maps)}. What the running container got from its manifest: the variables {_words(names)}, and "
        f"from ConfigMaps the volumes {_words(mounted)}. pricing takes `RATE` from its environment; without it, it reads the file that "
        "`RATE_FILE` names. Which of the two can change after the start?"
    )


def what_the_process_sees(live: Live) -> str:
    """A hint that shows where one can look."""
    pods = live.pods("app=pricing")
    if not pods:
        return f"There is no Pod of pricing. Is the exercise on stage? `kubectl -n {live.namespace} get all` shows what is there."
    found = live.get("configmaps", "rates") or {}
    now = found.get("data", {}).get("RATE", "nothing")
    return (
        f"At this moment the ConfigMap says {now}. Change it, and ask now and then: "
        f"`kubectl -n {live.namespace} exec {pods[0]['metadata']['name']} -- sh -c 'echo $RATE; cat /etc/rates/RATE /etc/pinned; ls -la /etc/rates'`. "
        "The last one shows how a kubelet changes a folder."
    )


def where_orders_got_it(live: Live) -> str:
    """A hint from the manifest of the running Pods, and from their logs."""
    pods = live.pods("app=orders")
    if not pods:
        return f"There is no Pod of orders. Is the exercise on stage? `kubectl -n {live.namespace} get all` shows what is there."
    spec = pods[0]["spec"]
    container = spec["containers"][0]
    ways = [f"the variable `{entry['name']}`" for entry in container.get("env", ()) if "valueFrom" in entry]
    volumes = {volume["name"] for volume in spec.get("volumes", ()) if "configMap" in volume or "secret" in volume}
    ways += [f"the file(s) in `{mount['mountPath']}`" for mount in container.get("volumeMounts", ()) if mount["name"] in volumes]
    lines = live.logs(pods[0]["metadata"]["name"]).splitlines()
    said = next((line for line in lines if "DATABASE_URL" in line), "")
    return (
        f"orders gets something from elsewhere by {_words(ways, quote='')}. "
        + (f"Its log has the line `{said.split('=')[0]}=...`. " if said else "")
        + f"`kubectl -n {live.namespace} exec deployment/orders -- cat /proc/1/environ | tr '\\0' '\\n'` shows what its process knows."
    )


def _words(values: Any, quote: str = "`") -> str:
    return ", ".join(f"{quote}{value}{quote}" for value in values) or "none"


# 05.1


@exercise(
    "05.1",
    title="The same image, another number",
    seconds=260,
    files=("e1/pricing.yaml", "e1/change.sh"),
    claims={
        "serves": f"both Pods answer with {OLD_RATE} % before the change",
        "runs": "change.sh runs to its end",
        "changed": f"within {CHANGED_WITHIN} s every answer has the new rate",
        "lasts": "Pods that come later answer with the new rate, too",
        "image": "the Pods run the same image before and after",
    },
    start="changed",
    hints=(
        "The rate is a file in the image. Where else does pricing look for it? `05-config/pricing/pricing.py` says it at its top.",
        where_the_rate_is,
        "Keep the rate in an object of the cluster, let `change.sh` change that, and see to it that every process hears of it.",
    ),
    why=(
        "The image stays what was tested, and the number has a place of its own. A process reads its environment once, so a change of the "
        "ConfigMap alone reaches nobody: `rollout restart` replaces the Pods one by one, and each new one starts with the new value."
    ),
)
def changes_a_number(trial: Trial) -> None:
    """The rate of the tax is baked into the image of `pricing`. Tonight it changes, to a number that parliament decides on at eleven, and nobody
    will build an image at that hour. `e1/change.sh` is what somebody will run then, with `$rate` set. As it stands, it is of little use.

    Change `e1/pricing.yaml` and `e1/change.sh`, so that one run of `change.sh` is enough: all Pods, those that come later as well, answer with the
    new rate, and the image is the one that runs today.

    **Measured:** 10 requests a second; `change.sh`, once, with a rate that you don't know; then a Pod is deleted. About 35 s, and two
    minutes when the change does not get through.
    """
    trial.require(
        "serves",
        trial.available("pricing", within=45) and len(trial.pods("app=pricing")) >= 2,
        observed="; ".join(trial.live.warnings()[:2]) or f"{len(trial.pods('app=pricing'))} Pods of pricing, not all available",
        hint=f"`kubectl -n {trial.namespace} describe pod -l app=pricing`",
    )
    rate = str(secrets.choice([number for number in range(5, 31) if str(number) != OLD_RATE]))
    with trial.load("http://pricing/", rate=10, timeout=2) as load:
        start = trial.until(lambda: _last(load, 10) == {OLD_RATE}, within=15)
        trial.require("serves", start, observed=f"the last answers came with {_words(_last(load, 10))}", expected=f"{OLD_RATE} %")
        before = _images(trial)
        trial.say(f"the rate becomes {rate}")
        changed = time.time()
        try:
            trial.sh("e1/change.sh", rate=rate, DOCKER_HOST=trial.backend.docker_host)
        except CommandFailed as failed:
            trial.require("runs", False, observed=str(failed)[-300:], hint="The message is the command's own.")
        trial.expect("runs", True)
        arrived = trial.until(lambda: _last(load, 30) == {rate}, within=max(10.0, changed + CHANGED_WITHIN - time.time()))
        trial.require(
            "changed",
            arrived,
            observed=f"the last 30 answers: {_shares(load, 30)}",
            expected=f"{rate} % in all of them",
            hint="Which of the processes has read the new number, and when does one read it?",
        )
        trial.notes.append(f"Every answer had the new rate {time.time() - changed:.0f} s after the change.")
        victim = trial.pods("app=pricing")[0]["metadata"]["name"]
        trial.say(f"deleting {victim}")
        trial.kubectl("delete", "pod", victim, "--wait=false")
        trial.until(lambda: trial.get("pods", victim) is None and trial.live.is_available("pricing"), within=50)
        trial.wait(4)
        trial.expect(
            "lasts",
            _last(load, 30) == {rate},
            observed=f"the last 30 answers: {_shares(load, 30)}",
            expected=f"{rate} % in all of them",
            hint="Where did the new Pod get its rate from?",
        )
    after = _images(trial)
    trial.expect(
        "image",
        before == after,
        observed=f"{_words(sorted(before))} before, {_words(sorted(after))} after",
        expected="the same digest",
        hint="Which of your commands makes another image?",
    )


def _last(load: Any, count: int) -> set[str]:
    """The rates in the last so many good answers; none when there are too few."""
    answered = load.ok.requests
    return {request.version for request in answered[-count:]} if len(answered) >= count else set()


def _shares(load: Any, count: int) -> str:
    rates = [request.version for request in load.ok.requests[-count:]]
    return ", ".join(f"{rates.count(rate)} with {rate} %" for rate in sorted(set(rates))) or "none"


def _images(trial: Trial) -> set[str]:
    """The digests of what the Pods of pricing run."""
    statuses = [status for pod in trial.pods("app=pricing") for status in pod["status"].get("containerStatuses", ())]
    return {status["imageID"] for status in statuses if status["name"] == "pricing" and status.get("imageID")}


# 05.2


@exercise(
    "05.2",
    title="Who hears of it, and when",
    seconds=260,
    files=("e2/predictions.toml",),
    baseline=("e2/pricing.yaml",),
    claims={
        "read": "your table can be read",
        "arrived": f"within {CHANGED_WITHIN} s the change has arrived on the node",
        "environment": "what you say of the environment is true",
        "file": "what you say of the mounted folder is true",
        "subpath": "what you say of the file mounted with subPath is true",
        "at-start": "what you say of the file that is read at the start is true",
        "restarted": "what you say of the restarted container is true",
    },
    start="environment",
    hints=(
        "Ask of each way: who wrote the value there, at which moment, and does he come back?",
        what_the_process_sees,
        "Two of the four are made once per container, one is kept up to date by the kubelet, and one depends on the program. A restart makes a new container.",
    ),
    why=(
        "The environment and a subPath mount are made when a container is created. A mounted folder holds a link that the kubelet swaps when it next looks "
        "at the Pod's volumes; who reads the file only at its start does not notice. A restarted container is a new one, and gets everything anew."
    ),
)
def says_who_hears_of_it(trial: Trial) -> None:
    """One Pod of pricing gets the rate from one ConfigMap in four ways: as an environment variable, in a mounted folder, as a single file of it (`subPath`),
    and once more from the folder, but read only when the process starts.

    Write into `e2/predictions.toml` which of them see the new rate (`"new"`) and which the old one (`"old"`): 90 seconds after the ConfigMap has
    changed; and when the container has then crashed and been restarted, in the same Pod.

    **Measured:** exactly that, twice a second. About two minutes: the longest wait of this lesson.
    """
    said = _table(trial)
    trial.available("pricing", within=45)
    rate = str(secrets.choice([number for number in range(5, 31) if str(number) != OLD_RATE]))
    with trial.load("http://pricing/sources", rate=2, timeout=2) as load:
        trial.until(lambda: _sources(load), within=20)
        trial.say(f"the ConfigMap says {rate} from now on")
        patch = json.dumps({"data": {"RATE": rate}})
        trial.kubectl("patch", "configmap", "rates", "-p", patch)
        changed = time.time()
        arrived = trial.until(lambda: _sources(load).get("file") == rate, within=CHANGED_WITHIN, every=0.5)
        took = time.time() - changed
        if took < 90:
            trial.wait(90 - took)
        first = _words_of(_sources(load), rate)
        restarts = trial.seen.restarts("app=pricing")
        trial.require(
            "arrived",
            True if arrived and not restarts else None,
            observed=f"{restarts} restarts meanwhile; the folder {'changed' if arrived else 'did not change'} within {took:.0f} s",
        )
        trial.notes.append(f"The mounted folder had the new rate after {took:.0f} s.")
        pod = trial.pods("app=pricing")[0]
        trial.say("the process crashes")
        trial.request(f"http://{pod['status']['podIP']}:8000/crash", method="POST")
        trial.until(lambda: trial.live.restarts_of(trial.pods("app=pricing")[0]) > 0, within=20)
        trial.until(lambda: trial.is_ready(trial.pods("app=pricing")[0]), within=20)
        trial.wait(3)
        second = _words_of(_sources(load), rate)
    for name in SOURCES:
        trial.expect(
            name,
            said["changed"][name] == first[name],
            observed=f"{first[name]}, 90 s after the change",
            expected=f"you said {said['changed'][name] or 'nothing'}",
            hint="When was this value made, and who would make it again?",
        )
    wrong = [f"{name}: {second[name]}" for name in SOURCES if said["restarted"][name] != second[name]]
    trial.expect(
        "restarted",
        not wrong,
        observed="; ".join(wrong),
        expected="what your table says",
        hint="Is a restarted container the old one, or a new one from the same Pod?",
    )


def _table(trial: Trial) -> dict[str, dict[str, str]]:
    """What the learner committed to. Ends the trial when it can't be read."""
    try:
        document = tomllib.loads((trial.answers / "e2/predictions.toml").read_text())
        said = {part: {name: str(document[part][name]).strip().lower() for name in SOURCES} for part in ("changed", "restarted")}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as wrong:
        trial.require("read", False, observed=f"{type(wrong).__name__}: {wrong}", hint="Keep the file's form; `reset` shows it again.")
        raise AssertionError("require ends the trial") from wrong
    trial.expect("read", True)
    return said


def _sources(load: Any) -> dict[str, str]:
    """What the newest answer says of the four ways."""
    answered = load.ok.requests
    return dict(pair.split("=", 1) for pair in answered[-1].version.split()) if answered else {}


def _words_of(sources: dict[str, str], rate: str) -> dict[str, str]:
    return {name: "new" if sources.get(name) == rate else "old" for name in SOURCES}


# 05.3


@exercise(
    "05.3",
    title="A password that nobody finds",
    seconds=200,
    files=("e3/orders.yaml", "e3/handover.sh"),
    baseline=("e3/database.yaml",),
    claims={
        "runs": "handover.sh runs to its end",
        "serves": "orders answers from its database",
        "logs": "the password is in no log of a Pod",
        "environment": "no process of orders has it in its environment or on its command line",
        "objects": "no object of the namespace but a Secret holds it, in plain text or in base64",
        "files": "none of your files holds it",
        "lasts": "orders still answers after its Pods have been replaced",
    },
    start="logs",
    hints=(
        "Search as somebody would who has got hold of one thing: the logs, a debugger in the container, a look at the ConfigMaps, the repository.",
        where_orders_got_it,
        "Put it into a Secret without writing it into a file, mount that as a volume, and let orders read the file "
        "(`course/apps/orders/main.py` says by which variable).",
    ),
    why=(
        "A Secret keeps the password apart from everything that people read, copy and commit, so that rights can be given to one and not to the other. "
        "A file is read by whoever opens it on purpose; an environment is printed, inherited and reported by programs that mean no harm."
    ),
)
def keeps_a_secret(trial: Trial) -> None:
    """The database team hands over a password. `e3/handover.sh` takes it (`$password`) into the cluster, `e3/orders.yaml` uses it. Both work. Somebody
    even took care that it can't be read: it is in base64.

    Change the two files so that orders still works, and the password is in no log, no environment and no command line of orders, in no object
    but a Secret, and in no file that you would commit.

    **Measured:** a new password is handed over and searched for in all these places; then the Pods are replaced. About 35 s.
    """
    password = f"{secrets.token_hex(6)}-{trial.token}"
    trial.say("the database team sets a new password")
    try:
        _set_password(trial, password)
    except CommandFailed as failed:
        trial.require("serves", None, observed=f"the password of the database could not be set: {failed}")
    try:
        trial.sh("e3/handover.sh", password=password)
    except CommandFailed as failed:
        trial.require("runs", False, observed=str(failed)[-300:].replace(password, "..."), hint="The message is the command's own.")
    trial.expect("runs", True)
    trial.require(
        "serves",
        _answers(trial, within=70),
        observed="; ".join(trial.live.warnings()[:2]).replace(password, "...") or "no answer from orders",
        hint=f"`kubectl -n {trial.namespace} describe pod -l app=orders`, and `kubectl -n {trial.namespace} logs deployment/orders`",
    )
    pods = [pod for pod in trial.pods() if not _others(pod)]
    logs = [name for pod in pods for name, text in _logs(trial, pod) if holds(text, password)]
    trial.expect(
        "logs",
        not logs,
        observed=f"it is in the log of {_words(dict.fromkeys(logs))}",
        expected="in none",
        hint="Who prints what he has been given?",
    )
    known, asked = _processes(trial, pods, password)
    trial.expect(
        "environment",
        None if not asked else not known,
        observed=f"known to {_words(dict.fromkeys(known))}" if asked else "no process of orders could be looked at",
        expected="to nobody",
        hint="`cat /proc/1/environ` in the container: how did it get there?",
    )
    objects = [found for found in _objects(trial) if holds(found[1], password)]
    trial.expect(
        "objects",
        not objects,
        observed=f"it is in {_words(name for name, _ in objects)}",
        expected="in Secrets only",
        hint=f"`kubectl -n {trial.namespace} get {objects[0][0] if objects else 'all'} -o yaml`, and `base64 -d`",
    )
    files = [str(path.relative_to(trial.answers)) for path in sorted(trial.answers.rglob("*")) if path.is_file() and _in_file(path, password)]
    trial.expect(
        "files",
        not files,
        observed=f"it is in {_words(files)}",
        expected="in none",
        hint="What has your script left behind?",
    )
    trial.say("replacing the Pods of orders")
    trial.kubectl("delete", "pods", "-l", "app=orders", "--wait=false")
    trial.until(lambda: not {pod["metadata"]["name"] for pod in pods} & {pod["metadata"]["name"] for pod in trial.list("pods")}, within=40)
    trial.expect(
        "lasts",
        _answers(trial, within=50),
        observed="; ".join(trial.live.warnings()[:2]).replace(password, "...") or "no answer from orders",
        hint="What did the first Pods have that the next ones lack?",
    )


def _set_password(trial: Trial, password: str) -> None:
    """Give the database's role another password, as its owner would."""
    sql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "orders", "-f", "-"]
    trial.kubectl("exec", "-i", "deploy/db", "--", *sql, text=f"ALTER ROLE orders PASSWORD '{password}';\n")


def _answers(trial: Trial, within: float) -> bool:
    """Whether orders gets rolled out and answers with what is in its database."""
    ready = trial.available("orders", within=within)
    return bool(ready and trial.until(lambda: trial.request("http://orders/orders").status == 200, within=8))


def _others(pod: dict[str, Any]) -> bool:
    """The database's own Pod, and those of the load."""
    labels = pod["metadata"].get("labels", {})
    return labels.get("app") == "db" or "dockyard.course/role" in labels


def _logs(trial: Trial, pod: dict[str, Any]) -> list[tuple[str, str]]:
    """What the Pod's containers have printed, and those before them."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [container["name"] for container in [*spec.get("initContainers", ()), *spec["containers"]]]
    return [
        (name, trial.live.logs(name, container=container, previous=previous, tail=2000))
        for container in containers
        for previous in (False, True)
    ]


# Prints environment and command line of every process that belongs to this Pod. They are told by the name that a Pod gives its
# containers, since on some machines a container sees processes of others.
_LOOK = """
import glob, sys
mark = f"HOSTNAME={sys.argv[1]}".encode()
for folder in glob.glob("/proc/[0-9]*"):
    try:
        environment, line = open(folder + "/environ", "rb").read(), open(folder + "/cmdline", "rb").read()
    except OSError:
        continue
    if mark in environment.split(b"\\0") and sys.argv[2].encode() not in line:
        print(repr((line, environment)))
"""


def _processes(trial: Trial, pods: list[dict[str, Any]], password: str) -> tuple[list[str], int]:
    """The Pods with a process that knows it, and how many processes have been looked at."""
    known, asked = [], 0
    for pod in pods:
        name = pod["metadata"]["name"]
        for container in pod["spec"]["containers"]:
            look = ["python", "-c", _LOOK, name, f"look-{trial.token}"]
            try:
                shown = trial.kubectl("exec", name, "-c", container["name"], "--", *look)
                shown += trial.kubectl("exec", name, "-c", container["name"], "--", "env")
            except CommandFailed:
                continue  # a container without python; another one of the Pod may have it
            asked += len(shown.splitlines()) > 0 and "uvicorn" in shown
            known += [name] if holds(shown, password) else []
    return known, asked


def _objects(trial: Trial) -> list[tuple[str, str]]:
    """Every object of the namespace that people get to read, as kubectl names it, and its text."""
    found = []
    for kind in KINDS_TO_SEARCH:
        try:
            found += [(f"{kind}/{item['metadata']['name']}", json.dumps(item)) for item in trial.list(kind)]
        except ApiFailed:
            continue  # this cluster has no such kind
    return found


def _in_file(path: Any, password: str) -> bool:
    return holds(path.read_bytes().decode(errors="replace"), password)


def holds(text: str, secret: str) -> bool:
    """Whether the text has the secret in it: as it is, or in base64, also in the middle of a longer one."""
    shifted = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode().rstrip("=")
        # The first and last characters also depend on what stands before and after the secret.
        whole = (before + len(secret)) * 8 // 6
        shifted.append(encoded[(before * 8 + 5) // 6 : whole])
    return any(form in text for form in [secret, *shifted])
