"""Which driver: each is tried by running a small container with it, and the reasons are kept for `doctor`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dockyard.runtime.drivers.driver import Driver
from dockyard.runtime.drivers.find_proot import find_proot
from dockyard.runtime.drivers.namespaces import Namespaces
from dockyard.runtime.drivers.none import NoRoot
from dockyard.runtime.drivers.proot import Proot
from dockyard.runtime.drivers.proot_filter import write_launcher
from dockyard.runtime.elf import closure
from dockyard.runtime.errors import NoDriver, RuntimeFailure
from dockyard.runtime.process import Process
from dockyard.runtime.spec import ContainerSpec, ProcessSpec, Rootfs

NAMES = ("namespaces", "proot", "none")
_PATIENCE = 10.0  # seconds for one trial; a proot that hangs must not hang `up`

Run = Callable[[Driver, ContainerSpec], Awaitable[Process]]


@dataclass(frozen=True)
class Trial:
    """One driver that was tried: `failure` is why it can't be used here, "" when it can."""

    driver: str
    variant: str
    failure: str


async def choose_driver(root: Path, run: Run, *, wanted: str | None) -> tuple[Driver, tuple[Trial, ...]]:
    """The best driver that works below `root`, and what was tried.

    The result is kept in `root` until the kernel, its boot, the user or the candidates change. `wanted` names
    the only one to consider. Raises NoDriver with all reasons, ValueError for a name that doesn't exist.
    """
    if wanted is not None and wanted not in NAMES:
        raise ValueError(f"there is no driver {wanted!r}: choose one of {', '.join(NAMES)}")
    candidates = [(name, one) for name, one in _candidates(str(root.resolve())) if wanted in (None, name)]
    kept = root / "driver.json"
    circumstances = _circumstances([repr(one) for _, one in candidates])
    remembered = _remember(kept, circumstances)
    if remembered is not None:
        index, trials = remembered
        return candidates[index][1], trials
    tried: list[Trial] = []
    for index, (name, one) in enumerate(candidates):
        failure = await _try(one, root / "trial", run)
        tried.append(Trial(name, repr(one), failure))
        if not failure:
            record = {
                "circumstances": circumstances,
                "index": index,
                "trials": [asdict(trial) for trial in tried],
            }
            kept.write_text(json.dumps(record, indent=1))
            return one, tuple(tried)
    reasons = "; ".join(f"{trial.driver}: {trial.failure}" for trial in tried) or f"{wanted}: not installed"
    raise NoDriver(f"no way to run a container was found here: {reasons}")


def _candidates(home: str) -> Iterator[tuple[str, Driver]]:
    """Best first."""
    user_namespace = os.geteuid() != 0
    for overlay in (True, False):
        yield "namespaces", Namespaces(user_namespace, overlay)
    for program in find_proot():
        yield "proot", Proot(program, home, "its own")
        if write_launcher(home):
            yield "proot", Proot(program, home, "ours")
        yield "proot", Proot(program, home, "none")
    yield "none", NoRoot(home)


def _circumstances(candidates: list[str]) -> dict[str, Any]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "kernel": os.uname().release,
        "boot": boot.read_text().strip() if boot.exists() else "",
        "uid": os.geteuid(),
        "candidates": candidates,
    }


def _remember(kept: Path, circumstances: dict[str, Any]) -> tuple[int, tuple[Trial, ...]] | None:
    try:
        record = json.loads(kept.read_text())
        if record["circumstances"] == circumstances:
            return int(record["index"]), tuple(Trial(**trial) for trial in record["trials"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None  # never tried, or written by another version
    return None


async def _try(driver: Driver, folder: Path, run: Run) -> str:
    """Runs a shell in a root file system: it must see a path, answer a signal and exit as it says."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _converse(driver, folder, run)
    except TimeoutError:
        return "the trial's program did not answer"
    except (RuntimeFailure, OSError) as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _converse(driver: Driver, folder: Path, run: Run) -> str:
    rootfs = _make_rootfs(folder, copied=not driver.traits.overlay)
    sees_paths = driver.traits.name != "none"
    read = "read said < /trial/word && " if sees_paths else "said=word && "
    script = f"{read}trap 'exit 42' TERM && echo \"$said\" && read never"
    shell = "/bin/sh" if sees_paths else "./bin/sh"
    process = ProcessSpec((shell, "-c", script), {}, stdin=True)
    ran = await run(driver, ContainerSpec("trial", rootfs, process, sandbox="trial", hostname="trial"))
    output: dict[int, bytes] = {1: b"", 2: b""}
    spoke = asyncio.Event()

    def hear(stream: int, data: bytes) -> None:
        output[stream] += data
        if not data or b"\n" in output[1]:
            spoke.set()

    ran.subscribe(hear)
    await spoke.wait()
    ran.signal(signal.SIGTERM)
    status = await ran.wait()
    if output[1] != b"word\n":
        said = (output[2] or output[1]).decode(errors="replace").strip()
        return f"its program did not see its files: {said!r}"
    return "" if status.code == 42 else f"its program ended with {status.code} instead of 42 after a SIGTERM"


def _make_rootfs(folder: Path, *, copied: bool) -> Rootfs:
    rootfs = Rootfs((folder / "layer",), folder / "upper", folder / "work", folder / "merged")
    tree = rootfs.merged if copied else rootfs.layers[0]
    for path in (tree, rootfs.upper, rootfs.work, rootfs.merged):
        path.mkdir(parents=True, exist_ok=True)
    (tree / "trial").mkdir()
    (tree / "trial" / "word").write_text("word\n")
    shell = Path("/bin/sh")
    for file in (shell, *closure([shell])):
        target = tree / str(file).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    return rootfs
