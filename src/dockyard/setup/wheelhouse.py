"""The wheelhouse: wheels that `pip install` finds inside images, also where no network reaches."""

from __future__ import annotations

import shutil

from dockyard.setup.environment import Environment
from dockyard.setup.report import step
from dockyard.setup.stamp import digest


def fill(environment: Environment) -> None:
    """Download the wheels that the course's apps install; complete or, after an interruption, begun again."""
    lock = environment.locks / "wheelhouse.txt"
    wheelhouse = environment.stamps.directory / "wheelhouse"
    if environment.stamps.holds("wheelhouse", digest(lock)) and wheelhouse.is_dir():
        return
    with step("filling the wheelhouse for the images"):
        draft = wheelhouse.with_name("wheelhouse.part")
        shutil.rmtree(draft, ignore_errors=True)
        arguments = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
        environment.pip([*arguments, "-d", draft, "-r", lock], "cannot download the wheels for the images")
        shutil.rmtree(wheelhouse, ignore_errors=True)
        draft.rename(wheelhouse)
        environment.stamps.put("wheelhouse", digest(lock))
