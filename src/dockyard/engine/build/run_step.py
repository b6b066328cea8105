"""RUN: which command, under which name in the history and in the cache."""

import dataclasses
import json
import re

from dockyard.engine.build.errors import BuildFailed, needs_buildkit
from dockyard.engine.build.run_mounts import RunMounts
from dockyard.engine.build.running import Command, Step, Surroundings
from dockyard.engine.build.work import Work
from dockyard.engine.dockerfile import Instruction
from dockyard.runtime.references import short_id


class RunStep:
    """RUN in every form."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def do(self, instruction: Instruction) -> None:
        """Raises BuildFailed."""
        around = self._around(instruction)
        mounts = RunMounts(self._work, self._work.around.caches)
        # Differs: `RUN --mount` works here for caches, binds and tmpfs, not for secrets; the classic builder
        # refuses it.
        mounted = await mounts.find(instruction.mounts)
        state = self._work.state
        environment = state.environment()
        arguments = self._work.arguments.for_stage(environment)
        command = self._command(instruction, {**arguments, **environment})
        created_by = " ".join([*command.argv, command.script] if command.script else command.argv)
        if arguments:
            recorded = self._work.arguments.in_history(arguments)
            created_by = " ".join([f"|{len(recorded)}", *recorded, created_by])
        hidden = json.dumps(
            [sorted(arguments.items()), *around.groups, mounted]
        )  # a proxy changes the result, but not the history
        key = self._work.key(created_by + hidden)
        if self._work.cached(key, created_by):
            return
        step = Step(self._work.runtime, around)
        self._work.stream(f" ---> Running in {short_id(step.id)}\n")
        try:
            layer = await step.run(state, command, mounts, self._work.stream)
        except BuildFailed:
            self._work.say_removed(step.id, self._work.options.force_remove)
            raise
        self._work.say_removed(step.id, self._work.options.remove)
        self._work.keep(key, created_by, layer)

    def _around(self, instruction: Instruction) -> Surroundings:
        """Differs: the classic builder refuses --network and --security; what needs no right works here."""
        network = instruction.flags.get("network", "default")
        if network not in ("default", "none"):
            raise BuildFailed(needs_buildkit("network"))
        if instruction.flags.get("security", "sandbox") != "sandbox":
            raise BuildFailed(needs_buildkit("security"))
        around = self._work.around
        return dataclasses.replace(around, groups=()) if network == "none" else around

    def _command(self, instruction: Instruction, environment: dict[str, str]) -> Command:
        shell = self._work.state.shell
        if instruction.is_json:
            return Command(instruction.args, environment)
        if not instruction.heredocs:
            return Command((*shell, *instruction.args), environment)
        # Differs: heredocs in a Dockerfile are run; the classic builder accepts them and runs nothing of
        # them.
        heredoc = instruction.heredocs[0]
        if len(instruction.heredocs) == 1 and re.fullmatch(r"<<-?\s*\S+", instruction.args[0].strip()):
            if heredoc.content.startswith("#!"):
                path = f"/dev/{heredoc.name}"
                return Command((path,), environment, heredoc.content, path)
            return Command((*shell, heredoc.content), environment)
        parts = [instruction.args[0]]
        for one in instruction.heredocs:
            parts.append(one.content + one.name)
        return Command((*shell, "\n".join(parts) + "\n"), environment)
