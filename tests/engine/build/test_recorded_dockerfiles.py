"""Builds 138 Dockerfiles, one a rule, and compares with what the real classic builder made of them."""

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from dockyard.runtime.union import Union
from tests import busybox
from tests.engine.build.contexts import archive, without_ignored
from tests.engine.build.served import Served

DATA = Path(__file__).parents[2] / "data" / "docker"
RECORDED: dict[str, Any] = json.loads((DATA / "dockerfile.json").read_text())

# What differs; known.toml says why. Each of these is built, and only what is named is left out.
DIFFERENT = {
    "add-url-unreachable": "error",
    "copy-chmod-flag": "everything",
    "run-heredoc": "everything",
    "run-mount-flag": "everything",
}
# What differs beside that where only the stand-in for BusyBox is at hand.
OTHER_TOOLS = {
    "copy-ownership-root": "log",  # the words of this machine's ls and sh are not BusyBox's
    "from-scratch": "everything",  # the recording copies the program /bin/busybox
    "user-cannot-write-root": "log",  # the words of this machine's touch are not BusyBox's
    "user-name": "log",  # nobody's group and home are Debian's, not BusyBox's
    "workdir-user-ownership": "log",  # the words of this machine's touch are not BusyBox's
}
# Steps that write to both streams at one moment: which is read first is chance, with a real engine too.
EITHER_ORDER = {"copy-ownership-root", "user-cannot-write-root", "workdir-user-ownership"}
# What a plain user can't have in a container: files of, and processes as, more than one user.
ONE_USER = re.compile(r"chown|USER|useradd|adduser")


@pytest.fixture(scope="module")
def base(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the images begin: at the recorder's BusyBox, if there is one for us, else at its stand-in."""
    program = busybox.find(tmp_path_factory.mktemp("busybox")) if os.geteuid() == 0 else None
    if program is None:
        yield "stand-in"
        return
    busybox.install(served.client, program)
    yield "busybox"
    served.client.images.remove("busybox:latest", force=True)


def left_out(name: str, what: str, base: str) -> bool:
    known = DIFFERENT if base == "busybox" else {**DIFFERENT, **OTHER_TOOLS}
    return known.get(name) in ("everything", what)


def test_the_corpus_is_there() -> None:
    assert len(RECORDED) == 138
    assert {*DIFFERENT, *OTHER_TOOLS} <= set(RECORDED)
    assert DIFFERENT.keys() == tomllib.loads((DATA / "known.toml").read_text())["dockerfile"].keys()


@pytest.mark.parametrize("name", RECORDED)
def test_dockerfile_builds_as_the_real_one(
    name: str, served: Served, client: docker.DockerClient, base: str
) -> None:
    recorded = RECORDED[name]
    if os.geteuid() != 0 and ONE_USER.search(recorded["dockerfile"]):
        pytest.skip("needs more than one user in a container")
    tag = f"recorded:{name}"
    messages, refused = build(client, recorded, tag)
    failure = next((message for message in messages if "error" in message), refused)
    if not left_out(name, "error", base):
        assert normal(failure) == normal(recorded.get("error"))
    if not left_out(name, "log", base):
        theirs = [normal_line(line, "df:1") for line in recorded.get("build_log", [])]
        assert arranged(name, log(messages, tag)) == arranged(name, theirs)
    if failure is None and "image_config" in recorded and not left_out(name, "image", base):
        compare_image(served, tag, recorded, base)


def build(client: docker.DockerClient, recorded: Any, tag: str) -> tuple[list[Any], Any]:
    files = {**recorded.get("context_files", {}), "Dockerfile": recorded["dockerfile"]}
    options = recorded.get("build_options") or {}
    response = client.api.post(
        client.api._url("/build"),
        data=archive(without_ignored(files)),
        params={"t": tag, "nocache": "1", "buildargs": json.dumps(options.get("buildargs", {}))},
        headers={"Content-Type": "application/tar"},
    )
    if response.status_code != 200:
        return [], {"status": response.status_code, "message": response.json()["message"]}
    return [json.loads(line) for line in response.text.splitlines()], None


def normal(failure: Any) -> Any:
    return failure and json.loads(re.sub(r"(overlay2/)[^/]+(/merged)", r"\1ID\2", json.dumps(failure)))


def normal_line(line: str, tag: str) -> str:
    return re.sub(r"\b[0-9a-f]{12}\b", "ID", line.replace(tag, "TAG"))


def log(messages: list[Any], tag: str) -> list[str]:
    text = "".join(message.get("stream", "") for message in messages)
    return [normal_line(line, tag) for line in text.split("\n") if line]


def arranged(name: str, lines: list[str]) -> list[str]:
    if name not in EITHER_ORDER:
        return lines
    # Each piece of stderr has its colour, and may end in the middle of a line of stdout.
    return sorted(re.sub(r"\x1b\[\d+m", "", "\n".join(lines)).split())


def compare_image(served: Served, tag: str, recorded: Any, base: str) -> None:
    image = served.runtime.images.get(tag)
    config = {key: value for key, value in image.config["config"].items() if value}
    labels = {key: value for key, value in config.pop("Labels", {}).items() if "dockyard" not in key}
    assert {**config, **({"Labels": labels} if labels else {})} == recorded["image_config"]
    steps = [hashes(step["created_by"]) for step in reversed(image.config["history"])]
    theirs = [hashes(step["created_by"]) for step in recorded["history"]]
    # The recorder's base has two steps of its own, the stand-in one.
    assert steps == theirs if base == "busybox" else steps[:-1] == theirs[:-2]
    assert len(image.layers) == recorded["layers"]
    union = Union(served.runtime.images.layer_paths(image))
    for line in recorded.get("filesystem", []):
        path = line.split(" ", 3)[3]
        if path != "/dev/shm":  # a mount, not part of the image
            assert describe(union, path) == line


def hashes(step: str) -> str:
    return re.sub(r"(file|dir|multi):[0-9a-f]+", r"\1:HASH", step)


def describe(union: Union, path: str) -> str:
    found = union.lookup(path, follow=False)
    assert found is not None, f"{path} is not in the image"
    status = found.status
    owner = f"{status.st_uid}:{status.st_gid}" if os.geteuid() == 0 else "0:0"
    size = 4096 if found.is_dir else status.st_size
    return f"{stat.filemode(status.st_mode)} {owner} {size} {path}"
