"""Compares what a step said with its recording, without ids, times, sizes, addresses and chance."""

from __future__ import annotations

import json
import re

from tests.engine.compose.play import Outcome, Step

_MASKS = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| \+0000 UTC| UTC)"), "TIME"),
    (re.compile(r"(Less than a second|About an? \w+|\d+ (second|minute|hour)s?)( ago)?"), "DURATION"),
    (re.compile(r"\b(172\.\d+\.\d+\.\d+|127\.(?!0\.0\.)\d+\.\d+\.\d+)(:\d{4,5})?\b"), "ADDRESS"),
    (re.compile(r"\b[3-6]\d{4}\b(?=->)|(?<=^0\.0\.0\.0:)[3-6]\d{4}$", re.MULTILINE), "PORT"),
    (re.compile(r"\b[\d.]+ ?([kMG]i?)?B\b"), "SIZE"),
    (re.compile(r"\b\d+\.\d+s\b"), "SECONDS"),
    # In which words a name doesn't resolve depends on the machine's resolver.
    (re.compile(r"dial tcp: lookup \S+( on \S+)?: (no such host|read udp .*|server misbehaving)"), "NO HOST"),
    (re.compile(r'"(CPUPerc|MemPerc|PIDs)":"[\d.]+%?"'), r'"\1":"SOME"'),
    # Where the engine keeps what it has is its own affair.
    (re.compile(r'"(LowerDir|MergedDir|UpperDir|WorkDir|Source)": "[^"]*"'), r'"\1": "PATH"'),
    (re.compile(r'^ *"org\.dockyard\.stand-in.*\n', re.MULTILINE), ""),
    # A long path is cut where it is too long.
    (re.compile(r"/[\w/.-]*…"), "PATH…"),
    (re.compile(r" {2,}"), " "),
    # What a driver emulates is said, and a plain user's containers run as himself.
    (re.compile(r"^ *\w+ dockyard: .*\n?", re.MULTILINE), ""),
    # A line of `top`: user, pid, parent, share of the processor, start.
    (re.compile(r"(?<= )\w+ \d+ \d+ \d+ \d\d:\d\d \? +\d\d:\d\d:\d\d"), "PROCESS"),
)
_PROGRESS = re.compile(r"^ ?(?:✔ )?((?:Container|Network|Volume|Image) \S+) (.*?)\s*(SECONDS)?$")
_SPINNER = re.compile("[⠀-⣿]|^\\[\\+\\]")


def mask(text: str) -> list[str]:
    """Return the lines of `text` without what differs from run to run."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


def arrange(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the ordinary lines, and for each object of the progress its states in their order.

    Which of two objects comes first, and whether a state is said twice, is chance.
    """
    ordinary: list[str] = []
    progress: dict[str, list[str]] = {}
    for line in lines:
        found = _PROGRESS.match(line)
        if found is None:
            if not _SPINNER.search(line):
                ordinary.append(line)
            continue
        states = progress.setdefault(found[1], [])
        if states[-1:] != [found[2]]:
            states.append(found[2])
    return ordinary, progress


def differences(step: Step, outcome: Outcome) -> list[str]:
    """Return what is not as recorded, in words; empty when everything is."""
    if "http_get" in step:
        answers = (step["status"], step["body"]), (outcome.code, outcome.stdout)
        return [] if answers[0] == answers[1] else [f"answered {answers[1]}, recorded {answers[0]}"]
    found = []
    if outcome.code != step["exit_code"]:
        found.append(f"exit code {outcome.code}, recorded {step['exit_code']}")
    if "tty" in step:
        return found + _compare("terminal", step["tty"], outcome.stdout, only_last=True)
    for name, said in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
        found += _compare(name, step.get(name, ""), said, only_last=False)
    return found


def _compare(name: str, recorded: str, said: str, *, only_last: bool) -> list[str]:
    (expected, wanted), (ordinary, progress) = (arrange(mask(text)) for text in (recorded, said))
    if only_last:  # how often a terminal is painted anew is chance
        wanted, progress = ({key: value[-1:] for key, value in each.items()} for each in (wanted, progress))
        expected, ordinary = list(set(expected)), list(set(ordinary))  # so is whether typing is echoed twice
    found = []
    # Services are listed, and speak, in any order; log lines of one service keep theirs in the sort's eyes
    # as far as they differ.
    if sorted(map(_canonical, expected)) != sorted(map(_canonical, ordinary)):
        missing = [line for line in expected if _canonical(line) not in map(_canonical, ordinary)]
        extra = [line for line in ordinary if _canonical(line) not in map(_canonical, expected)]
        found.append(f"{name}: missing {missing}, extra {extra}")
    if wanted != progress:
        found.append(f"{name}: progress {progress}, recorded {wanted}")
    return found


def _canonical(line: str) -> str:
    """Return a JSON object with its lists in one order, without a stand-in's labels; other lines as is."""
    try:
        document = json.loads(line)
    except ValueError:
        return line
    if isinstance(document, dict) and isinstance(document.get("Labels"), str):
        labels = re.split(r",(?=[a-z]+\.[a-z])", document["Labels"])
        document["Mounts"] = sorted(document["Mounts"].split(","))
        document["Labels"] = sorted(label for label in labels if not label.startswith("org.dockyard."))
    if isinstance(document, dict) and isinstance(document.get("attributes"), dict):
        attributes: dict[str, str] = document["attributes"]
        document["attributes"] = {k: v for k, v in attributes.items() if not k.startswith("org.dockyard.")}
    return json.dumps(document, sort_keys=True)
