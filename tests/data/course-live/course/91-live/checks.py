"""Lesson 91, for tests: exercises on a live cluster."""

import pathlib
import time

from dockyard.exercises import Trial, exercise

REST = {"start": "a", "hints": ("1", "2", "3"), "why": "w", "files": ("settings.yaml",), "baseline": ("server.yaml",)}


@exercise("91.1", title="Everything a trial offers", seconds=90, wants=("cut",), **REST,
          claims={"a": "the word is the solution's", "up": "it serves", "cut": "a cut is felt", "back": "it comes back"})
def everything(trial: Trial) -> None:
    """Set the word."""
    word = trial.get("configmap", "settings")["data"]["word"]
    trial.require("a", word == "solution", observed=word)
    with trial.load("http://server/", rate=5, timeout=1) as load:
        # The first requests may come before the proxy knows the endpoint.
        trial.require("up", trial.until(lambda: load.ok, within=8))
        with trial.cut("app=server") as cut:
            trial.wait(4)
        trial.until(lambda: load.since(cut.end).ok, within=20)
    during = load.between(cut.start + 1, cut.end - 1)
    trial.expect("cut", during and not during.ok, observed=repr(during))
    trial.expect("back", load.since(cut.end).ok)


@exercise("91.2", title="A judge that overruns in the middle of a cut", seconds=25, **REST, claims={"a": "it ends"})
def overruns(trial: Trial) -> None:
    """Nothing to do."""
    with trial.load("http://server/", rate=5), trial.cut("app=server"):
        time.sleep(600)


@exercise("91.3", title="What one namespace is enough for", seconds=90, **REST,
          claims={"a": "the word is the solution's", "up": "it serves"})
def serves(trial: Trial) -> None:
    """Set the word."""
    word = trial.get("configmap", "settings")["data"]["word"]
    trial.require("a", word == "solution", observed=word)
    trial.expect("up", trial.until(lambda: trial.request("http://server/", timeout=1).status == 200, within=20))
