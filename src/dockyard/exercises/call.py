"""Calls one function of a learner's Python file in a process of its own: JSON in, JSON out."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dockyard.exercises import command
from dockyard.exercises.command import CommandFailed

# Runs in the learner's process. The mark tells the result from what the learner's code prints.
RUNNER = """
import importlib.util, json, sys
path, name, mark = sys.argv[1:4]
out, sys.stdout = sys.stdout, sys.stderr
sys.path.insert(0, ".")
spec = importlib.util.spec_from_file_location("answer", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
function = getattr(module, name, None)
if not callable(function):
    sys.exit(f"{path} has no function {name}")
answer = json.dumps(function(*json.load(sys.stdin)))
print(mark + answer, file=out, flush=True)
"""


def call(
    folder: Path,
    file: str,
    function: str,
    arguments: tuple[Any, ...],
    *,
    env: Mapping[str, str],
    within: float,
) -> Any:
    """The function's value. Raises CommandFailed: no such file or function, its last error, or no end."""
    if not (folder / file).is_file():
        raise CommandFailed(f"there is no file {file}")
    mark = secrets.token_hex(12)
    argv = [sys.executable, "-c", RUNNER, file, function, mark]
    try:
        said = command.run(argv, env=env, within=within, cwd=folder, text=json.dumps(arguments))
    except CommandFailed as error:
        last = str(error).strip().splitlines()[-1:]
        raise CommandFailed(f"{file}: {last[0] if last else error}", error.code) from error
    for line in said.splitlines():
        if line.startswith(mark):
            return json.loads(line.removeprefix(mark))
    raise CommandFailed(f"{file}: {function} ended the process without a result")
