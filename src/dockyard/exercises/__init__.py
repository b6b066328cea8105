"""Exercises: staging, load, faults, evidence, verdicts and progress."""

from dockyard.exercises.command import CommandFailed
from dockyard.exercises.composed import Project
from dockyard.exercises.containers import Build, Running
from dockyard.exercises.exercise import Exercise, Mistake, exercise
from dockyard.exercises.finding import Finding
from dockyard.exercises.happenings import Happenings
from dockyard.exercises.lesson import Course, Lesson
from dockyard.exercises.live import ApiFailed, Live, Manifest
from dockyard.exercises.lives import PodLife, blamed, lives
from dockyard.exercises.load import Load
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
    "Load",
    "Manifest",
    "Mistake",
    "PodLife",
    "Project",
    "Request",
    "Running",
    "Traffic",
    "Trial",
    "Verdict",
    "Workbench",
    "blamed",
    "exercise",
    "lives",
]
