"""The launcher and the set-up behind it, from outside, in a small clone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.setup.conftest import Clone


def test_first_start_sets_up_and_says_how_long_each_step_took(clone: Clone) -> None:
    done = clone.run("hello", "two words")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1.0 hello two words\n"
    for step in ("making", "installing", "filling the wheelhouse", "set-up is complete"):
        assert step in done.stderr
    assert done.stderr.count("done in") >= 3


def test_second_start_does_nothing_but_run_the_command(clone: Clone) -> None:
    clone.run()
    # Without an interpreter to set up with and without wheels, only a start that does nothing can succeed.
    done = clone.run(
        "again", DOCKYARD_PYTHON="/nonexistent", PATH="/usr/bin:/bin", PIP_FIND_LINKS="/nonexistent"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0 again\n", "")


def test_changed_lock_is_noticed(clone: Clone) -> None:
    clone.run()
    clone.lock("2.0")
    done = clone.run()
    assert done.stdout == "2.0\n"
    assert "installing" in done.stderr
    assert "making" not in done.stderr


def test_moved_clone_sets_up_again(clone: Clone) -> None:
    clone.run()
    moved = clone.root.with_name("moved clone")
    clone.root.rename(moved)
    clone.root = moved
    done = clone.run()
    assert done.returncode == 0, done.stderr
    assert "making" in done.stderr
    assert str(moved / "src") in next((moved / ".venv").rglob("dockyard.pth")).read_text()


def test_killed_set_up_is_resumed(clone: Clone) -> None:
    process = clone.start()
    assert process.stderr is not None
    seen = ""
    while "installing" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = clone.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1.0\n"
    assert "making" not in done.stderr, "the finished step was done again"


def test_half_made_environment_is_made_anew(clone: Clone) -> None:
    broken = clone.root / ".venv" / "bin"
    broken.mkdir(parents=True)
    (broken / "python").symlink_to("/nonexistent/python")
    done = clone.run()
    assert done.returncode == 0, done.stderr


def test_two_starts_at_once_wait_for_each_other(clone: Clone) -> None:
    first, second = clone.start("a"), clone.start("b")
    results = [process.communicate(timeout=100) for process in (first, second)]
    assert [out for out, _ in results] == ["1.0 a\n", "1.0 b\n"]
    assert sum("making" in err for _, err in results) == 1


def test_missing_package_says_what_the_first_set_up_needs(clone: Clone) -> None:
    done = clone.run(PIP_FIND_LINKS=str(clone.root))
    assert done.returncode == 4
    assert "network" in done.stderr
    assert "Traceback" not in done.stderr
    assert clone.run().returncode == 0, "the next start goes on"


def test_damaged_package_is_refused(clone: Clone) -> None:
    lock = clone.root / "locks" / "course.txt"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:" + "0" * 8)[:-9] + "\n")
    done = clone.run()
    assert done.returncode == 4
    assert "hash" in done.stderr.lower()


def test_place_that_can_not_be_written_to_names_the_way_out(clone: Clone) -> None:
    done = clone.run(DOCKYARD_VENV="/proc/nowhere/venv")
    assert done.returncode == 4
    assert "DOCKYARD_VENV" in done.stderr
    assert "Traceback" not in done.stderr


def test_python_without_venv_names_the_package(clone: Clone, tmp_path: Path) -> None:
    # Debian's python3 without python3-venv: the module is there and fails for want of ensurepip.
    fake = tmp_path / "python"
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *dockyard.setup*) ;; *) exec %s "$@" ;; esac\n'
        "exec %s -c \"import sys; sys.modules['ensurepip'] = None; sys.executable = '%s'\n"
        "sys.argv = ['setup', '--project', '%s', '--venv', '%s']\n"
        "import runpy; runpy.run_module('dockyard.setup', run_name='__main__')\"\n"
    )
    failing = tmp_path / "failing"
    failing.write_text(
        "#!/bin/sh\necho 'The virtual environment was not created: ensurepip is not available.'\nexit 1\n"
    )
    failing.chmod(0o755)
    real = clone.environ()["DOCKYARD_PYTHON"]
    fake.write_text(fake.read_text() % (real, real, failing, clone.root, clone.root / ".venv"))
    fake.chmod(0o755)
    done = clone.run(DOCKYARD_PYTHON=str(fake))
    assert done.returncode == 4
    assert "python3-venv" in done.stderr


def test_no_python_says_how_to_get_one(clone: Clone, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("cat", "cmp", "readlink", "dirname"):
        found = subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=True)
        (tools / tool).symlink_to(found.stdout.strip())
    launcher = clone.root / "dockyard"
    launcher.write_text(launcher.read_text().replace(" /usr/bin/python3;", ";"))
    done = subprocess.run(
        ["/bin/sh", launcher], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 4
    assert "Python 3.11 or newer" in done.stderr
    assert "apt install" in done.stderr


def test_launcher_works_through_a_link_and_from_any_directory(clone: Clone, tmp_path: Path) -> None:
    clone.run()
    link = tmp_path / "elsewhere"
    link.symlink_to(clone.root / "dockyard")
    done = subprocess.run(
        [link, "x"], cwd="/", env=clone.environ(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "1.0 x\n")


def test_file_in_the_working_directory_shadows_no_library(clone: Clone, tmp_path: Path) -> None:
    clone.run()
    (tmp_path / "tiny.py").write_text("VERSION = 'of the learner'\n")
    done = subprocess.run(
        [clone.root / "dockyard"],
        cwd=tmp_path,
        env=clone.environ(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "1.0\n"
