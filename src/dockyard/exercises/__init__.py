"""Exercises: staging, load, faults, evidence, verdicts and progress."""

from dockyard.exercises.command import CommandFailed
from dockyard.exercises.composed import Project
from dockyard.exercises.containers import Build, Running
from dockyard.exercises.exercise import Exercise, Mistake, exercise
from dockyard.exercises.finding import Finding
from dockyard.exercises.happenings import Happenings
from dockyard.exercises.lesson import Course, Lesson
from dockyard.exercises.live import ApiFailed, Live
from dockyard.exercises.traffic import Request, Traffic
from dockyard.exercises.trial import Trial
from dockyard.exercises.verdict import Verdict
from dockyard.exercises.workbench import Workbench

__all__ = [
    "ApiFailed",
    "Build",
    "CommandFailed",
    "Course",
    "Exercise",
    "Finding",
    "Happenings",
    "Lesson",
    "Live",
    "Mistake",
    "Project",
    "Request",
    "Running",
    "Traffic",
    "Trial",
    "Verdict",
    "Workbench",
    "exercise",
]
