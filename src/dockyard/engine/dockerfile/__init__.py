"""The Dockerfile language: what a file says, before anything is done about it."""

from dockyard.engine.dockerfile.errors import DockerfileError
from dockyard.engine.dockerfile.instructions import Instruction, interpret
from dockyard.engine.dockerfile.parser import Parsed, parse
from dockyard.engine.dockerfile.stages import Stage, find_stage, split_stages

__all__ = [
    "DockerfileError",
    "Instruction",
    "Parsed",
    "Stage",
    "find_stage",
    "interpret",
    "parse",
    "split_stages",
]
