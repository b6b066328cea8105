"""Exercises on a backend that has less than the embedded one: one namespace, other names, no faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockyard.backends import Choice, KubeconfigBackend, choose, remember
from dockyard.exercises import Course
from dockyard.exercises.answers import Labs
from dockyard.exercises.imagenames import renamed
from dockyard.exercises.referee import referee
from dockyard.exercises.rehearsal import is_on_stage, rehearse
from dockyard.home import Home
from tests.backends.somebodys import SomebodysCluster
from tests.cli.conftest import CommandLine

ROOT = Path(__file__).parents[1] / "data" / "course-live"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def home(cli: CommandLine, cluster: SomebodysCluster, tmp_path: Path) -> Iterator[Home]:
    """A learner's home whose backend is one namespace, in which an administrator has put something."""
    cluster.kubectl("create", "namespace", "class")
    cluster.kubectl("create", "configmap", "-n", "class", "rules")
    file = cluster.learners_file(tmp_path / "config", course={})
    arguments = ("--kubeconfig", str(file), "--namespace", "class")
    assert cli.json("up", "--backend", "kubeconfig", *arguments)["running"]
    yield cli.home
    assert cli.run("down").returncode == 0
    cluster.kubectl("delete", "namespace", "class")


def test_exercises_are_staged_and_judged_in_the_one_namespace(home: Home, cluster: SomebodysCluster) -> None:
    before = cluster.names("namespaces")
    lesson, exercise = Course(ROOT).exercise("91.3")
    start = referee(exercise, None, course=ROOT, home=home)
    assert start.first_failing is not None, start.text()
    solved = referee(exercise, lesson.folder / "solution", course=ROOT, home=home)
    assert solved.passed is True, solved.text()
    assert solved.backend == "kubeconfig"
    assert cluster.names("namespaces") == before
    assert "configmap/rules" in cluster.names("configmaps", "-n", "class"), "staging leaves what was there"
    elsewhere = referee(exercise, None, course=ROOT, home=home, namespace="elsewhere")
    assert "keeps to its one namespace, class" in elsewhere.trouble
    # What is on stage is one exercise's, whoever put it there.
    backend = choose(home)
    _, other = Course(ROOT).exercise("91.2")
    assert is_on_stage(exercise, backend)
    assert not is_on_stage(other, backend)
    rehearse(lesson, other, lesson.folder / "lab", backend=backend, home=home, say=lambda what: None)
    assert is_on_stage(other, backend)


def test_what_a_backend_lacks_is_not_judged_and_no_failure(home: Home) -> None:
    lesson, exercise = Course(ROOT).exercise("91.1")
    verdict = referee(exercise, lesson.folder / "solution", course=ROOT, home=home)
    assert (verdict.passed, verdict.out_of_reach, verdict.trouble) == (None, True, "")
    assert [finding.id for finding in verdict.findings] == ["answer", "a", "up", "cut", "back"]
    assert "the nodes of the backend `kubeconfig` are somebody else's" in verdict.findings[0].observed
    said = rehearse(
        lesson, exercise, lesson.folder / "lab", backend=choose(home), home=home, say=lambda what: None
    )
    assert "somebody else's" in said


def test_run_leaves_out_what_cannot_be_judged_and_never_passes_on_nothing(cli: CommandLine) -> None:
    cli.home.prepare()
    remember(cli.home, Choice("kubeconfig", context="c", namespace="n"))
    done = cli.run("run", DOCKYARD_PROJECT=str(ROOT))
    assert done.returncode == 4
    assert "left out: 91.1: Pods are cut off on their nodes" in done.stderr
    assert "lacks something for each of these lessons" in done.stderr


MANIFEST = """\
kind: Deployment  # image: orders:1 is the course's
spec:
  containers:
    - image: orders:1
    - {name: b, image: "orders:1", command: [a]}
    - image: orders:10
      env: [{name: WHAT, value: "image: orders:1"}]
"""


def test_only_images_are_renamed_in_manifests() -> None:
    before, after = MANIFEST.splitlines(), renamed(MANIFEST, {"orders:1": "r.io/t/orders:1"}).splitlines()
    changed = [line for old, line in zip(before, after, strict=True) if old != line]
    assert changed == [
        "    - image: r.io/t/orders:1",
        '    - {name: b, image: "r.io/t/orders:1", command: [a]}',
    ]


def test_files_are_given_out_with_the_names_that_the_cluster_pulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKYARD_ANSWERS", raising=False)
    root = tmp_path / "project"
    lab = root / "course" / "92-images" / "lab"
    lab.mkdir(parents=True)
    (lab / "pod.yaml").write_text("image: orders:1\n")
    (root / "course" / "apps").mkdir()
    head = 'id: "92"\n  title: t\n  minutes: 1\n  images: {"orders:1": apps/orders}'
    (lab.parent / "lesson.md").write_text(f"---\ndockyard:\n  {head}\n---\n")
    home = Home(tmp_path / "home")
    home.prepare()
    course = Course(root)
    lesson, labs = course.lesson("92"), Labs(course, root / "labs", home)
    mine = labs.folder(lesson) / "pod.yaml"

    def given() -> str:
        labs.give_out(lesson)
        return mine.read_text()

    assert given() == "image: orders:1\n"
    remember(home, Choice("kubeconfig", context="c", registry="r.io/team"))
    assert isinstance(choose(home), KubeconfigBackend)
    assert given() == "image: r.io/team/orders:1\n"
    mine.write_text("image: mine\n")
    os.remove(home.choice)
    assert given() == "image: mine\n", "the learner's work is nobody's to change"
