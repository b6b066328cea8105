"""kubectl's commands for people who look into Pods, on real processes: debug, attach, cp, edit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import KUBECTL, Kubectl
from tests.deadline import eventually

POD = """
apiVersion: v1
kind: Pod
metadata: {name: tool}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: python:3.12-slim
    stdin: true
    command:
    - sh
    - -c
    - |
      trap 'exit 0' TERM
      python -m http.server 8000 --bind 127.0.0.1 &
      while read line; do echo heard $line; done
      wait
"""


@pytest.fixture(scope="module", autouse=True)
def tool(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=POD)
    kubectl("wait", "pod/tool", "--for=condition=Ready", "--timeout=60s")


def test_debug_runs_a_second_image_in_the_pods_network(kubectl: Kubectl) -> None:
    script = (
        "import urllib.request as u; print('looked', u.urlopen('http://127.0.0.1:8000/', timeout=9).status)"
    )
    kubectl(
        "debug",
        "tool",
        "--image=python:3.12-slim",
        "-c",
        "look",
        "--attach=false",
        "--",
        "python",
        "-c",
        script,
    )

    def state() -> str:
        path = "jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.reason}"
        return kubectl("get", "pod", "tool", "-o", path)

    eventually(lambda: state() == "Completed", "the debugging container has run", 30)
    assert kubectl("logs", "tool", "-c", "look") == "looked 200\n"
    assert kubectl("get", "pod", "tool", "-o", "jsonpath={.status.phase}") == "Running"


def test_interactive_debugging_hands_input_to_a_shell(kubectl: Kubectl) -> None:
    arguments = ("debug", "-i", "tool", "--image=python:3.12-slim", "-c", "shell", "--", "sh")
    done = kubectl.run(*arguments, stdin="echo from $((40 + 2))\nexit\n")
    assert done.returncode == 0, done.stderr
    assert "from 42" in done.stdout


def test_attach_joins_the_streams_of_the_first_process(kubectl: Kubectl) -> None:
    environment = {"KUBECONFIG": str(kubectl.kubeconfig), "HOME": str(kubectl.cache), "PATH": ""}
    argv = [str(KUBECTL), "attach", "-i", "tool", "-c", "main"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("you\n")
        process.stdin.flush()
        assert process.stdout.readline() == "heard you\n"
        process.kill()
    assert "heard you" in kubectl("logs", "tool", "-c", "main")


def test_files_are_copied_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    content = os.urandom(200_000)
    (tmp_path / "there").write_bytes(content)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    kubectl("cp", str(tmp_path / "there"), "tool:/root/there", "-c", "main")
    kubectl("cp", "tool:/root/there", str(tmp_path / "back"), "-c", "main")
    assert (tmp_path / "back").read_bytes() == content
    kubectl("cp", str(folder), "tool:/root/", "-c", "main")
    assert kubectl("exec", "tool", "-c", "main", "--", "cat", "/root/folder/a.txt") == "a"


def test_edit_stores_what_the_editor_saved(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "configmap", "edited", "--from-literal=a=1")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/a: \\"1\\"/a: \\"2\\"/" "$1"\n')
    editor.chmod(0o755)
    environment = {
        "KUBECONFIG": str(kubectl.kubeconfig),
        "KUBECACHEDIR": str(kubectl.cache),
        "HOME": str(kubectl.cache),
        "PATH": os.environ["PATH"],
        "KUBE_EDITOR": str(editor),
    }
    done = subprocess.run(
        [str(KUBECTL), "edit", "configmap", "edited"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "configmap/edited edited\n"), done.stderr
    assert json.loads(kubectl("get", "cm", "edited", "-o", "json"))["data"] == {"a": "2"}
