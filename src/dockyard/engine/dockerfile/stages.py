"""The stages of a multi-stage build: each FROM begins one, and ARGs before the first belong to none."""

from collections.abc import Sequence
from dataclasses import dataclass

from dockyard.engine.dockerfile.errors import DockerfileError
from dockyard.engine.dockerfile.instructions import Instruction


@dataclass(frozen=True)
class Stage:
    """`FROM base AS name` and what follows it."""

    name: str  # in small letters; "" without a name
    begin: Instruction
    body: tuple[Instruction, ...]


def split_stages(instructions: Sequence[Instruction]) -> tuple[list[Instruction], list[Stage]]:
    """The ARGs before the first FROM, and the stages. Raises DockerfileError."""
    before: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in instructions:
        if instruction.name == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif instruction.name == "ARG":
            before.append(instruction)
        else:
            raise DockerfileError("no build stage in current context")
    if not stages:
        raise DockerfileError("no build stage in current context")
    return before, [
        Stage(begin.args[1] if len(begin.args) > 1 else "", begin, tuple(body)) for begin, body in stages
    ]


def find_stage(stages: Sequence[Stage], wanted: str) -> int | None:
    """The index of the stage with this name (the last one wins) or this number."""
    for index in range(len(stages) - 1, -1, -1):
        if stages[index].name and stages[index].name == wanted.lower():
            return index
    return int(wanted) if wanted.isdigit() and int(wanted) < len(stages) else None
