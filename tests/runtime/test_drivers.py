"""How a driver is chosen: by running it, with the reasons kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dockyard.runtime.errors import NoDriver
from dockyard.runtime.runtime import Runtime
from dockyard.wire.clock import SystemClock

LIAR = """#!/bin/sh
# Runs the program without changing anything, as a proot does that lost its filter.
while [ $# -gt 0 ]; do
    case $1 in
        -r|-w|-b|-i) shift 2;;
        --kill-on-exit) shift;;
        *) break;;
    esac
done
exec "$@"
"""


async def open_runtime(folder: Path, driver: str | None = None) -> Runtime:
    return await Runtime.open(folder / "home", clock=SystemClock(), driver=driver, network=False)


async def test_driver_that_works_was_tried(tmp_path: Path) -> None:
    runtime = await open_runtime(tmp_path)
    assert runtime.trials[-1].driver == runtime.driver.traits.name
    assert runtime.trials[-1].failure == ""
    assert all(trial.failure for trial in runtime.trials[:-1])
    assert runtime.driver.traits.gives
    await runtime.close()


async def test_proot_that_does_not_translate_paths_is_refused_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = tmp_path / "proot"
    liar.write_text(LIAR)
    liar.chmod(0o755)
    monkeypatch.setenv("DOCKYARD_PROOT", str(liar))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "nowhere"))
    with pytest.raises(NoDriver, match="did not see its files"):
        await open_runtime(tmp_path, "proot")


async def test_missing_proot_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKYARD_PROOT", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "nowhere"))
    with pytest.raises(NoDriver, match="proot: not installed"):
        await open_runtime(tmp_path, "proot")


async def test_unknown_driver_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no driver 'jail': choose one of namespaces, proot, none"):
        await open_runtime(tmp_path, "jail")


async def test_choice_is_remembered_until_the_machine_is_started_again(tmp_path: Path) -> None:
    first = await open_runtime(tmp_path)
    await first.close()
    kept = tmp_path / "home" / "driver.json"
    before = kept.stat().st_mtime_ns
    second = await open_runtime(tmp_path)
    await second.close()
    assert kept.stat().st_mtime_ns == before
    assert second.trials == first.trials
    record = json.loads(kept.read_text())
    record["circumstances"]["boot"] = "another"
    kept.write_text(json.dumps(record))
    third = await open_runtime(tmp_path)
    await third.close()
    assert json.loads(kept.read_text())["circumstances"]["boot"] != "another"


async def test_damaged_memory_of_the_choice_is_no_error(tmp_path: Path) -> None:
    first = await open_runtime(tmp_path)
    await first.close()
    (tmp_path / "home" / "driver.json").write_text("{half")
    second = await open_runtime(tmp_path)
    await second.close()
    assert second.driver == first.driver
