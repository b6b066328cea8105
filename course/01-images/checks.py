"""Lesson 01, images: how each exercise is staged and judged."""

import base64
import gzip
import io
import json
import runpy
import secrets
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from dockyard.exercises import Build, CommandFailed, Live, Running, Trial, exercise

EDIT_BUDGET = 100_000  # bytes that a rebuild may write for one edited line
TOOLS_BUDGET = 40_000_000  # bytes that quotes may add to its base image
COMPILERS = ("tcc", "gcc", "cc", "clang", "c++", "zig")


def what_changed(live: Live) -> str:
    """A hint about the order, from no system at all: the engine keeps nothing of a build but its layers."""
    return (
        "Run `docker history orders` (or `client.images.get('orders').history()`), edit a line of `main.py`, build and "
        "run it again. Find the first row that is new. Everything above it is new as well: why?"
    )


def where_the_bytes_are(live: Live) -> str:
    """A hint about size."""
    return (
        "`client.images.get(tag).history()` lists what each instruction added. Which row is the largest, and does "
        "the running service need what is in it? Does a later row make that one smaller?"
    )


@exercise(
    "01.1",
    title="An edited line must not cost an installation",
    seconds=120,
    on="engine",
    files=("e1/**",),
    claims={
        "builds": "the image builds",
        "serves": "a container of it answers GET /healthz",
        "fresh": "after an edit of main.py, the rebuilt image runs the edited code",
        "kept": f"the rebuild writes less than {EDIT_BUDGET // 1000} kB of layers anew",
    },
    start="kept",
    hints=(
        "The engine walks the Dockerfile from the top and reuses layers until something differs. Look at what differs "
        "first when main.py has changed.",
        what_changed,
        "Bring in what the installation needs and nothing else, install, and bring in the rest afterwards.",
    ),
    why=(
        "A COPY is reused while the copied files are the same, a RUN while everything above it is. So what seldom "
        "changes belongs above what often does: requirements.txt, the installation, and only then the code."
    ),
)
def edits_are_cheap(trial: Trial) -> None:
    """Your team builds `orders` forty times a day. Each build installs FastAPI again, although `requirements.txt`
    has not changed for weeks.

    Change `e1/Dockerfile` (and add a `.dockerignore` if you like) so that an edit of `main.py` rebuilds only what
    the edit touches. The rebuilt image must run the edited code, of course.

    **Measured:** a build, one changed line in `main.py`, another build; what the second one wrote is added up, and a
    container of each answers a request. About 20 s.
    """
    first = _built(trial, "e1", "before")
    _answers(trial, "the image before the edit", first, "/healthz")
    main = trial.answers / "e1" / "main.py"
    edited = f"edited-{trial.token}"
    main.write_text(main.read_text().replace('"service": "orders"', f'"service": "{edited}"'))
    second = _built(trial, "e1", "after")
    body, _ = _answers(trial, "the image after the edit", second, "/")
    trial.require(
        "fresh",
        edited in body,
        observed=f"GET / answered {body[:80]}",
        expected=f"the text of the edited line, {edited}",
        hint="Is main.py copied into the image at all, and is it the one that runs?",
    )
    anew = [step for step in second.steps if not step.cached]
    largest = max(anew, key=lambda step: step.size, default=None)
    trial.expect(
        "kept",
        anew and second.written < EDIT_BUDGET,
        observed=f"{second.written:,} bytes; most of them by `{largest.instruction}`" if largest else "no step ran anew",
        expected=f"less than {EDIT_BUDGET:,} bytes",
        hint="Which instruction above the installation depends on main.py?",
    )


@exercise(
    "01.2",
    title="Ship the library, leave the compiler",
    seconds=150,
    on="engine",
    files=("e2/**",),
    claims={
        "builds": "the image builds",
        "serves": "a container of it computes a quote with the C library",
        "small": f"the image is at most {TOOLS_BUDGET // 1_000_000} MB larger than its base",
        "clean": "no compiler is left in the container",
    },
    start="small",
    hints=(
        "An image is a pile of layers, and its size is the sum of them all. Look at the largest.",
        where_the_bytes_are,
        "Do the compiling in an image that you don't ship, and take from it the one file that you need.",
    ),
    why=(
        "Each instruction adds a layer and no instruction takes one away: what a later step deletes is hidden, not "
        "gone. A second FROM starts from a clean base, and COPY --from brings over the compiled library alone."
    ),
)
def ships_no_compiler(trial: Trial) -> None:
    """`quotes` computes prices with a small library in C. Its image carries everything that built and tested it: a
    compiler, a type checker, a test runner. Every node pulls all of that, and every attacker finds it there.

    Change `e2/Dockerfile` so that the image adds at most 40 MB to its base, holds no compiler, and still computes quotes.

    **Measured:** the image's size, a quote from a running container, and a search for compilers in its file system.
    About 25 s.
    """
    built = _built(trial, "e2", "quotes")
    body, running = _answers(trial, "quotes", built, "/quote?cents=1000&quantity=50")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = body[:80]
    trial.require(
        "serves",
        answer == {"cents": 47500},
        observed=f"50 pieces at 1000 cents: {answer}",
        expected='{"cents": 47500}',
        hint="Is libpricing.so beside app.py in the image, and was it compiled from pricing.c?",
    )
    base = trial.docker.images.get("python:3.12-slim").attrs["Size"]
    added = built.size - base
    trial.expect(
        "small",
        added <= TOOLS_BUDGET,
        observed=f"{added / 1e6:.0f} MB more than python:3.12-slim",
        expected=f"at most {TOOLS_BUDGET / 1e6:.0f} MB more",
        hint="Does a later instruction make an earlier layer smaller?",
    )
    script = (
        "import os, sys; found = [os.path.join(folder, name) for top in ('/usr', '/bin', '/opt', '/app', '/root', '/home',"
        f" '/build', '/srv', '/tmp') for folder, _, names in os.walk(top) for name in names if name in {COMPILERS!r}"
        " and os.access(os.path.join(folder, name), os.X_OK)]; print('\\n'.join(found))"
    )
    code, output = running.container.exec_run(["python", "-c", script])
    found = output.decode(errors="replace").split()
    trial.expect(
        "clean",
        code == 0 and not found,
        observed=f"found {found[0]}" if found else f"the search ended with exit code {code}",
        expected="none",
        hint="Which stage of your build does the last image start from?",
    )


def what_an_image_tells(live: Live) -> str:
    """A hint about the places where a build leaves things."""
    return (
        "An image is layers and a configuration. `docker history --no-trunc IMAGE` shows what the configuration remembers "
        "of each step; the cell above this exercise searches the layers. Build `e3` with `--build-arg TOKEN=abc` and look "
        "for `abc` in both."
    )


@exercise(
    "01.3",
    title="A token may open a build, and not leave with it",
    seconds=90,
    on="engine",
    files=("e3/**",),
    claims={
        "builds": "the image builds, with the token as a file and as a build argument",
        "serves": "a container of it knows the tariffs, which only the token opens",
        "layers": "no layer of the image holds the token",
        "history": "neither the configuration of the image nor its history shows the token",
    },
    start="layers",
    hints=(
        "Ask of each instruction that sees the token: what does it leave behind, in a layer or in the history?",
        what_an_image_tells,
        "Let the token into a stage that is not shipped, and take from there nothing but the opened list.",
    ),
    why=(
        "What an image ships is its last stage: the layers and the history of that stage alone. The stage that saw the "
        "token stays on the machine that built it. BuildKit's `RUN --mount=type=secret` goes one step further: there the "
        "token is in no layer of any stage."
    ),
)
def the_token_stays_behind(trial: Trial) -> None:
    """A partner sells you a tariff list, sealed with a token. The build opens it, so that the service needs no token. Then
    a customer found the token in the image.

    The build gets it in two ways, take either: as the file `token` in the context, and as the build argument `TOKEN`.

    Change `e3/Dockerfile` so that the image still knows the tariffs and holds the token nowhere.

    **Measured:** a build with a new token, a tariff asked of a container, and a search for the token in every layer, in
    the configuration and in the history of the image. About 15 s.
    """
    token, cents = f"partner-{secrets.token_hex(12)}", 100 + secrets.randbelow(9000)
    folder = trial.answers / "e3"
    seal = runpy.run_path(str(Path(__file__).parent / "lab" / "e3" / "unseal.py"))["seal"]
    (folder / "token").write_text(f"{token}\n")
    (folder / "tariffs.sealed").write_bytes(seal(token.encode(), json.dumps({"1": 490, "2": cents}).encode()))
    built = _built(trial, "e3", "tariffs", buildargs={"TOKEN": token})
    body, _ = _answers(trial, "tariffs", built, "/?zone=2")
    trial.require(
        "serves",
        json.loads(body).get("cents") == cents,
        observed=f"zone 2: {body}",
        expected=f"{cents} cents, from the list that was sealed for this check",
        hint="Is tariffs.json made during the build, by unseal.py?",
    )
    in_layers, in_history = _search(trial, built.image, token)
    trial.expect(
        "layers",
        not in_layers,
        observed=f"the token is in {', '.join(in_layers)}",
        expected="in none",
        hint="Which instruction brought that file in, and is the layer it made shipped?",
    )
    trial.expect(
        "history",
        not in_history,
        observed=f"the image's configuration shows it: {in_history}",
        expected="no trace",
        hint="`docker history --no-trunc` shows the arguments that a RUN was given.",
    )


@exercise(
    "01.4",
    title="Run what was released, also tomorrow",
    seconds=90,
    on="engine",
    files=("e4/**",),
    claims={
        "pins": "pin() returns the name of something to run",
        "runs": "a container starts from it",
        "moved": "meanwhile all tags have moved to a newer image",
        "same": "containers started before and after it run the same image",
        "exact": "it is the image that the tag named at release time",
    },
    start="same",
    hints=(
        "A tag is looked up when a container starts. Which name of an image can't be given to another one?",
        "`docker image inspect shop:latest`, from the demonstration, lists everything by which the engine knows that image. Which of it is "
        "computed from the content?",
        "Look the tag up once, in `pin`, and return what the image is called by its content.",
    ),
    why=(
        "An image's id is the digest of its configuration, which names the digests of its layers: another content has "
        "another id. In a registry the same part is played by the manifest's digest, `orders@sha256:...`."
    ),
)
def runs_what_was_released(trial: Trial) -> None:
    """On Monday you release `shop:latest` to three machines. On Tuesday a colleague pushes; on Wednesday one of the
    machines restarts, and now two versions serve your customers.

    Your release job calls `pin("shop:latest")` in `e4/release.py` once and writes what it returns into the deployment of
    every machine. Change `pin` so that all of them run the image of Monday, whatever happens to tags.

    **Measured:** a release, a container, a newer build that takes over every tag, another container. About 10 s.
    """
    shop = trial.answers / "shop"
    shop.mkdir()
    (shop / "Dockerfile").write_text("FROM busybox\nARG VERSION\nRUN echo $VERSION > /version\nCMD [\"sleep\", \"60\"]\n")
    tag = f"{trial.namespace}:latest"
    monday = trial.build("shop", "latest", buildargs={"VERSION": f"monday-{trial.token}"})
    try:
        pinned = trial.call("e4/release.py", "pin", tag)
    except CommandFailed as failed:
        trial.require("pins", False, observed=str(failed)[-400:], hint="The last line of the message says what went wrong in pin().")
        raise
    trial.require(
        "pins",
        isinstance(pinned, str) and pinned,
        observed=f"pin() returned {pinned!r}",
        expected="the text that stands behind `docker run`",
    )
    first = _image_of_a_container(trial, pinned)
    tuesday = trial.build("shop", "latest", buildargs={"VERSION": f"tuesday-{trial.token}"})
    for other in trial.docker.images.get(monday.image).tags:
        trial.docker.images.get(tuesday.image).tag(other)
    now = _image_of_a_container(trial, tag)
    trial.require("moved", now == tuesday.image, observed=f"{tag} still starts {now[:19]}")
    second = _image_of_a_container(trial, pinned)
    trial.expect(
        "same",
        first == second,
        observed=f"{pinned} started {first[7:19]} before and {second[7:19]} after",
        expected="one image",
        hint="Is what pin() returned a name that can be given away?",
    )
    trial.expect(
        "exact",
        first == monday.image,
        observed=f"{first[7:19]}",
        expected=f"{monday.image[7:19]}, which {tag} named at release time",
        hint="Ask the engine for the image behind the tag that pin() was given.",
    )


def _image_of_a_container(trial: Trial, reference: str) -> str:
    """The id of the image that a container started from `reference` runs; ends the trial when none starts."""
    try:
        running = trial.start(reference)
    except CommandFailed as failed:
        trial.require("runs", False, observed=str(failed)[-200:], hint=f"`docker run {reference}` says the same.")
        raise
    trial.expect("runs", True, observed=reference)
    image: str = running.container.attrs["Image"]
    running.container.remove(force=True)
    return image


def _search(trial: Trial, image: str, token: str) -> tuple[list[str], str]:
    """Where an image shows the token: files of its layers, and the first place in its configuration."""
    trial.say("searching every layer and the configuration for the token")
    needles = (token.encode(), base64.b64encode(token.encode()).rstrip(b"=")[:-1])
    in_layers: list[str] = []
    in_history = ""
    with tempfile.TemporaryFile() as saved:
        for chunk in trial.docker.images.get(image).save():
            saved.write(chunk)
        saved.seek(0)
        for blob in _files(saved):
            layer = _as_layer(blob)
            if layer is None:
                where = next((blob.find(needle) for needle in needles if needle in blob), -1)
                if where >= 0 and not in_history:
                    in_history = blob[max(0, where - 60) : where + 24].decode(errors="replace")
            elif any(needle in layer for needle in needles):
                in_layers += _named(layer, needles)
    return in_layers, in_history


def _files(archive: io.IOBase) -> Iterator[bytes]:
    """The contents of an archive's files."""
    with tarfile.open(fileobj=archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield file.read()


def _as_layer(blob: bytes) -> bytes | None:
    """The tar archive that a blob is, unpacked; None for anything else."""
    if blob[:2] == b"\x1f\x8b":
        blob = gzip.decompress(blob)
    return blob if tarfile.is_tarfile(io.BytesIO(blob)) else None


def _named(layer: bytes, needles: tuple[bytes, ...]) -> list[str]:
    """The files of a layer that hold a needle, as a learner would name them."""
    names = []
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            text = file.read() if file is not None else b""
            if any(needle in text for needle in needles):
                names.append(f"/{member.name.lstrip('./')}")
    return names or ["a layer"]


def _built(trial: Trial, folder: str, tag: str, **options: object) -> Build:
    """The build of a folder, or the end of the trial with the engine's message."""
    try:
        built = trial.build(folder, tag, **options)
    except CommandFailed as failed:
        trial.require("builds", False, observed=str(failed)[-400:], hint="The engine's message names the step that failed.")
        raise
    trial.expect("builds", True, observed=f"{built.seconds:.1f} s")
    return built


def _answers(trial: Trial, what: str, built: Build, path: str) -> tuple[str, Running]:
    """What a container of the image answers; ends the trial when it doesn't, with the container's own log."""
    running = trial.start(built.image)

    def get() -> str:
        try:
            with urllib.request.urlopen(running.url + path, timeout=2) as response:
                return response.read().decode()
        except (OSError, ValueError):
            return ""

    body = trial.until(get, within=15)
    trial.require(
        "serves",
        body,
        observed=f"{what}: no answer on port 8000 to GET {path}; its log ends: {running.logs()[-200:].strip() or '(empty)'}",
        hint="Run the image yourself with port 8000 published, and read its log.",
    )
    return body, running
