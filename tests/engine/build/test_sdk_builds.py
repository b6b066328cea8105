"""Builds through the docker SDK: what the stream says, what fails and how, what the image is."""

import io
import json
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, BuildError, ImageNotFound

from tests.deadline import eventually
from tests.engine.build.contexts import archive, build_archive
from tests.engine.build.served import Served

BUSYBOX = "FROM busybox\n"


def build(client: docker.DockerClient, text: str, files: Any = (), **options: Any) -> tuple[Any, str]:
    """The image and the text of the stream."""
    return build_archive(client, archive({**dict(files), "Dockerfile": text}), **options)


def run(client: docker.DockerClient, image: str, *command: str) -> str:
    return str(client.containers.run(image, list(command), remove=True), "utf-8")


def test_stream_is_the_classic_builders(client: docker.DockerClient) -> None:
    image, log = build(client, BUSYBOX + "RUN echo hello\nCMD true\n", tag="story:1")
    lines = log.splitlines()
    assert lines[0] == "Step 1/3 : FROM busybox"
    assert lines[2] == "Step 2/3 : RUN echo hello"
    assert lines[3].startswith(" ---> Running in ")
    assert lines[4] == "hello"
    assert lines[5].startswith(" ---> Removed intermediate container ")
    assert lines[-2] == f"Successfully built {image.id.removeprefix('sha256:')[:12]}"
    assert lines[-1] == "Successfully tagged story:1"
    assert image.tags == ["story:1"]


ON_LINE = "dockerfile parse error on line"
REFUSED = {
    "FROM busybox latest\n": f"{ON_LINE} 1: FROM requires either one or three arguments",
    BUSYBOX + "RUNN x\n": f"{ON_LINE} 2: unknown instruction: RUNN (did you mean RUN?)",
    BUSYBOX + "COPY --bogus=1 a b\n": f"{ON_LINE} 2: unknown flag: --bogus",
    BUSYBOX + "ENV FOO\n": "failed to parse Dockerfile: ENV must have two arguments",
    BUSYBOX + "COPY foo\n": f"{ON_LINE} 2: COPY requires at least two arguments, but only one was provided. "
    "Destination could not be determined",
    BUSYBOX + "HEALTHCHECK BOGUS x\n": f'{ON_LINE} 2: Unknown type "BOGUS" in HEALTHCHECK (try CMD)',
    "RUN echo hi\n": "no build stage in current context",
    "# nothing\n\n": "failed to parse Dockerfile: file with no instructions",
    "": "the Dockerfile (Dockerfile) cannot be empty",
}
NOT_STARTED = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: error during container init: "
)
FAILING = {
    "COPY nosuch.txt /srv/": "COPY failed: file not found in build context or excluded by .dockerignore: "
    "stat nosuch.txt: file does not exist",
    "COPY *.nosuch /srv/": "COPY failed: no source files were specified",
    "COPY ../x /x": "COPY failed: forbidden path outside the build context: ../x ()",
    "COPY a b /dst": "When using COPY with more than one source file, the destination must be a directory "
    "and end with a /",
    "EXPOSE abc": "Invalid containerPort: abc",
    "STOPSIGNAL SIGBOGUS": "invalid signal: SIGBOGUS",
    "COPY --chown=nosuch a /a": "unable to convert uid/gid chown string to host mapping: "
    "can't find uid for user nosuch: no such user: nosuch",
    'RUN ["nosuchcommand"]': f'{NOT_STARTED}exec: "nosuchcommand": executable file not found in $PATH',
}


@pytest.mark.parametrize("dockerfile", REFUSED)
def test_bad_dockerfile_is_refused_before_the_stream(client: docker.DockerClient, dockerfile: str) -> None:
    with pytest.raises(APIError) as caught:
        build(client, dockerfile)
    assert (caught.value.status_code, caught.value.explanation) == (400, REFUSED[dockerfile])


def test_missing_dockerfile_is_named(client: docker.DockerClient) -> None:
    with pytest.raises(APIError) as caught:
        build(client, BUSYBOX, dockerfile="Dockerfile.nosuch")
    assert caught.value.status_code == 500
    assert caught.value.explanation == "Cannot locate specified Dockerfile: Dockerfile.nosuch"


@pytest.mark.parametrize("step", FAILING)
def test_failing_step_ends_the_stream(client: docker.DockerClient, step: str) -> None:
    with pytest.raises(BuildError) as caught:
        build(client, f"{BUSYBOX}{step}\n", {"a": "1", "b": "2"})
    assert caught.value.msg == FAILING[step]


def test_failing_run_shows_its_output_and_its_code(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError) as caught:
        build(client, BUSYBOX + "RUN echo one; echo bad >&2; exit 3\n")
    assert (
        caught.value.msg
        == "The command '/bin/sh -c echo one; echo bad >&2; exit 3' returned a non-zero code: 3"
    )
    log = list(caught.value.build_log)
    assert {"stream": "one\n"} in log
    assert {"stream": "\x1b[91mbad\n\x1b[0m"} in log
    assert log[-1]["errorDetail"]["code"] == 3


def test_unknown_base_image_fails_fast(client: docker.DockerClient) -> None:
    with pytest.raises(BuildError, match="lookup registry-1"):
        build(client, "FROM nosuch-base:1.0\nRUN true\n")


def test_build_arguments(client: docker.DockerClient) -> None:
    dockerfile = "ARG BASE=busybox\nFROM ${BASE}\nARG A=1\nARG B\nRUN echo A=$A B=$B BASE=$BASE\nENV C=$A\n"
    image, log = build(client, dockerfile, buildargs={"A": "two", "B": "three", "UNUSED": "x"}, tag="args:1")
    assert "A=two B=three BASE=\n" in log
    assert "[Warning] One or more build-args [UNUSED] were not consumed\n" in log
    assert run(client, "args:1", "sh", "-c", "echo A=$A C=$C") == "A= C=two\n"
    created_by = [step["CreatedBy"] for step in image.history()]
    assert created_by[1] == "|2 A=two B=three /bin/sh -c echo A=$A B=$B BASE=$BASE"


def test_target_and_stages(client: docker.DockerClient) -> None:
    dockerfile = (
        "FROM busybox AS one\nRUN echo built > /out\nFROM busybox AS two\nRUN exit 9\n"
        "FROM busybox\nCOPY --from=one /out /result\n"
    )
    _, log = build(client, dockerfile, target="one", tag="stage:one")
    assert "Step 2/2 : RUN echo built > /out" in log
    with pytest.raises(BuildError, match="non-zero code: 9"):
        build(client, dockerfile)
    with pytest.raises(APIError, match='target stage "nosuch" could not be found'):
        build(client, dockerfile, target="nosuch")
    build(client, dockerfile.replace("RUN exit 9\n", ""), tag="stage:last")
    assert run(client, "stage:last", "cat", "/result") == "built\n"


def test_quiet_build_says_only_the_id(client: docker.DockerClient) -> None:
    context = archive({"Dockerfile": BUSYBOX + "LABEL x=y\n"})
    lines = list(
        client.api.build(fileobj=io.BytesIO(context), custom_context=True, quiet=True, tag="quiet:1")
    )
    assert [json.loads(line) for line in lines] == [{"stream": f"{client.images.get('quiet:1').id}\n"}]


def test_labels_of_the_request_are_one_more_step(client: docker.DockerClient) -> None:
    image, log = build(client, BUSYBOX, labels={"team": "o'brien $HOME"}, tag="labelled:1")
    assert "Step 2/2 : LABEL team=o'brien $HOME" in log
    assert image.labels["team"] == "o'brien $HOME"


def test_heredocs_run(client: docker.DockerClient) -> None:
    dockerfile = (
        BUSYBOX + "RUN <<EOF\necho one > /a\necho two >> /a\nEOF\n"
        "ENV NAME=world\nCOPY <<END /greeting\nhello $NAME\nEND\n"
        "RUN <<END\n#!/usr/bin/env sh\necho $0 > /script\nEND\n"
    )
    build(client, dockerfile, tag="heredoc:1")
    assert run(client, "heredoc:1", "cat", "/a", "/greeting") == "one\ntwo\nhello world\n"
    assert "END" in run(client, "heredoc:1", "cat", "/script")


def test_local_archives_are_unpacked_by_add_and_not_by_copy(client: docker.DockerClient) -> None:
    inner = archive({"deep/file": "content"})
    build(client, BUSYBOX + "ADD a.tar /added\nCOPY a.tar /copied\n", {"a.tar": inner}, tag="add:1")
    assert run(client, "add:1", "cat", "/added/deep/file") == "content"
    assert int(run(client, "add:1", "stat", "-c", "%s", "/copied")) == len(inner)


def test_links_in_a_context_never_lead_out_of_it(client: docker.DockerClient, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    with pytest.raises(BuildError, match="file does not exist"):
        build(client, BUSYBOX + "COPY link /stolen\n", {"link": {"link": str(secret)}})
    with pytest.raises(BuildError, match="file does not exist"):
        build(client, BUSYBOX + "COPY d/secret /stolen\n", {"d": {"link": str(tmp_path)}})


@pytest.mark.parametrize("name", ["../escape", "a/../../escape"])
def test_context_that_points_out_of_itself_is_refused(client: docker.DockerClient, name: str) -> None:
    with pytest.raises(APIError) as caught:
        build(client, BUSYBOX, {name: "x"})
    assert caught.value.status_code == 400
    assert "points out of the layer" in caught.value.explanation


def test_what_is_no_archive_is_refused(client: docker.DockerClient) -> None:
    with pytest.raises(APIError) as caught:
        build_archive(client, b"\x01\0garbage" * 300)
    assert caught.value.status_code == 400


def test_client_that_goes_away_ends_its_build(served: Served, client: docker.DockerClient) -> None:
    context = archive({"Dockerfile": BUSYBOX + "RUN echo begun; sleep 3600\n"})
    stream = client.api.post(
        client.api._url("/build"), data=context, headers={"Content-Type": "application/tar"}, stream=True
    )
    for line in stream.iter_lines():
        if b"begun" in line and b"stream" in line and b"Step" not in line:
            break
    before = served.runtime.snapshots.names()
    stream.close()
    eventually(lambda: len(served.runtime.snapshots.names()) < len(before), "the step's container goes")


def test_removed_image_is_gone(client: docker.DockerClient) -> None:
    build(client, BUSYBOX + "RUN echo short-lived > /x\n", tag="gone:1")
    client.images.remove("gone:1")
    with pytest.raises(ImageNotFound):
        client.images.get("gone:1")
