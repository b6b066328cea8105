"""Lesson 01, images: how each exercise is staged and judged."""

import json
import urllib.request

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


def _built(trial: Trial, folder: str, tag: str) -> Build:
    """The build of a folder, or the end of the trial with the engine's message."""
    try:
        built = trial.build(folder, tag)
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
