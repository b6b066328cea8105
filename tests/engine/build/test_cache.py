"""When a step is taken from an earlier build, and when a build gives the same image again."""

import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import docker
import pytest

from dockyard.runtime.images import Image
from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served

DOCKERFILE = """FROM busybox
ARG V=1
RUN echo first
COPY req.txt /req.txt
RUN echo install > /i
COPY . /app
ENV X=1
RUN echo last > /l
"""
FILES = {"req.txt": "a\n", "main.py": "1\n", ".dockerignore": "*.log\n"}
STEPS = ["ARG", "RUN first", "COPY req", "RUN install", "COPY .", "ENV", "RUN last"]


class Builds:
    """Builds in a row; each test has its own marker, so that none has another's cache."""

    def __init__(self, client: docker.DockerClient, marker: str) -> None:
        self._client = client
        self._marker = marker

    def hits(self, dockerfile: str, files: Mapping[str, Any], **options: Any) -> list[bool]:
        """Whether each step after FROM was taken from the cache."""
        marked = dockerfile.replace("FROM busybox\n", f"FROM busybox\nLABEL test={self._marker}\n")
        context = archive({**files, "Dockerfile": marked, ".dockerignore": "Dockerfile\n.dockerignore\n"})
        _, text = build_archive(self._client, context, tag=f"{self._marker}:1", **options)
        steps = re.split(r"^Step \d+/\d+ : ", text, flags=re.MULTILINE)[3:]
        return [" ---> Using cache\n" in step for step in steps]


@pytest.fixture
def builds(client: docker.DockerClient, request: pytest.FixtureRequest) -> Builds:
    return Builds(client, re.sub(r"\W+", "-", request.node.name.lower()).strip("-").replace("_", "-"))


# What changes after the first build, and how many of the seven steps still hit: recorded from a real one.
CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, Any], int]] = {
    "nothing": (DOCKERFILE, {}, {}, 7),
    "content of main.py": (DOCKERFILE, {"main.py": "2\n"}, {}, 4),
    "content of req.txt": (DOCKERFILE, {"req.txt": "b\n"}, {}, 2),
    "mode of main.py": (DOCKERFILE, {"main.py": {"text": "1\n", "mode": 0o755}}, {}, 4),
    "a new file": (DOCKERFILE, {"other.py": "x"}, {}, 4),
    "text of the last RUN": (DOCKERFILE.replace("echo last", "echo LAST"), {}, {}, 6),
    "blanks in a RUN": (DOCKERFILE.replace("RUN echo first", "RUN   echo   first"), {}, {}, 1),
    "a build argument": (DOCKERFILE, {}, {"buildargs": {"V": "2"}}, 1),
    "no cache wanted": (DOCKERFILE, {}, {"nocache": True}, 0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_misses_from_the_step_it_touches(builds: Builds, change: str) -> None:
    dockerfile, changed, options, hits = CHANGES[change]
    files = {name: text for name, text in FILES.items() if name != ".dockerignore"}
    assert builds.hits(DOCKERFILE, files) == [False] * 7
    assert builds.hits(dockerfile, {**files, **changed}, **options) == [True] * hits + [False] * (7 - hits)


def test_going_back_finds_the_old_layers(builds: Builds) -> None:
    files = {"req.txt": "a\n"}
    builds.hits(DOCKERFILE, files)
    builds.hits(DOCKERFILE, {"req.txt": "b\n"})
    assert builds.hits(DOCKERFILE, files) == [True] * 7


def test_steps_before_a_failing_one_are_kept(builds: Builds) -> None:
    dockerfile = 'FROM busybox\nRUN echo ok > /ok\nCOPY a /a\nRUN test "$(cat /a)" = good\n'
    with pytest.raises(docker.errors.BuildError):
        builds.hits(dockerfile, {"a": "bad"})
    assert builds.hits(dockerfile, {"a": "good"}) == [True, False, False]


def test_stages_count_anew(builds: Builds) -> None:
    dockerfile = (
        "FROM busybox\nCOPY src /src\nRUN cp /src /out\nFROM busybox AS last\nRUN echo independent\n"
        "COPY --from=0 /out /out\n"
    )
    builds.hits(dockerfile, {"src": "1"})
    # COPY and RUN of the first stage, FROM and RUN of the second, and the COPY between them.
    assert builds.hits(dockerfile, {"src": "2"}) == [False, False, False, True, False]


def image_of(served: Served, dockerfile: str, files: Mapping[str, Any], **options: Any) -> Image:
    context = archive({**files, "Dockerfile": dockerfile})
    image, _ = build_archive(served.client, context, **options)
    return served.runtime.images.get(image.id)


def test_same_input_gives_the_same_image(served: Served) -> None:
    dockerfile = (
        "FROM busybox\nCOPY a /a\nRUN date +%N > /dev/null; mkdir /d && echo x > /d/x && ln -s x /d/l\n"
    )
    first = image_of(served, dockerfile, {"a": "1"})
    second = image_of(served, dockerfile, {"a": "1"}, nocache=True)
    assert (first.id, first.layers) == (second.id, second.layers)
    assert image_of(served, dockerfile, {"a": "2"}).layers[-1] == first.layers[-1]
    assert image_of(served, dockerfile, {"a": "2"}).layers[-2] != first.layers[-2]


def test_same_input_gives_the_same_image_when_nothing_of_it_is_left(served: Served) -> None:
    dockerfile = "FROM busybox\nCOPY a /kept\nRUN echo $(cat /kept) > /made && ln /made /linked\n"
    first = image_of(served, dockerfile, {"a": "pruned"}, tag="pruned:1")
    served.client.images.remove("pruned:1", force=True)
    served.client.images.prune(filters={"dangling": True})
    served.client.api.prune_builds()
    assert not served.runtime.images.layers.has(first.layers[-1])
    again = image_of(served, dockerfile, {"a": "pruned"})
    assert (again.id, again.layers) == (first.id, first.layers)


def test_steps_that_do_the_same_are_one_layer_twice(served: Served) -> None:
    dockerfile = "FROM busybox\nCOPY a /d/a\nRUN rm -r /d\nCOPY a /d/a\nRUN test -e /d/a && rm -r /d\n"
    image = image_of(served, dockerfile + "COPY a /d/a\n", {"a": "1"}, tag="twice:1")
    assert len(image.layers) == len(set(image.layers)) + 3
    assert served.client.containers.run("twice:1", ["cat", "/d/a"], remove=True) == b"1"


def test_installing_packages_gives_the_same_layer(served: Served) -> None:
    """Byte-code, times and the order of directories differ from run to run; the layer must not."""
    dockerfile = (
        "FROM python:3.12-slim\nCOPY pkg /pkg\nRUN pip install --no-build-isolation --no-deps /pkg/*.whl "
        "&& python -m compileall -q /usr/local/lib/python3*/*-packages/greeter.py\n"
    )
    files = {"pkg/greeter-1.0-py3-none-any.whl": wheel()}
    first = image_of(served, dockerfile, files)
    second = image_of(served, dockerfile, files, nocache=True)
    assert first.layers == second.layers
    paths = [entry.path for entry in served.runtime.images.layers.entries(first.layers[-1])]
    assert any(path.endswith("greeter.py") for path in paths)
    assert not any("__pycache__" in path for path in paths)


def wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("greeter.py"), "GREETING = 'hello'\n")
        about = "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n"
        archive.writestr(zipfile.ZipInfo("greeter-1.0.dist-info/METADATA"), about)
        wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(zipfile.ZipInfo("greeter-1.0.dist-info/WHEEL"), wheel)
        record = "greeter.py,,\ngreeter-1.0.dist-info/METADATA,,\ngreeter-1.0.dist-info/WHEEL,,\n"
        record += "greeter-1.0.dist-info/RECORD,,\n"
        archive.writestr(zipfile.ZipInfo("greeter-1.0.dist-info/RECORD"), record)
    return buffer.getvalue()
