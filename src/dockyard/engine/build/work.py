"""What every step of a build shares: the stage it works on, its variables, the cache, and the stream."""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from dockyard.engine.build.arguments import Arguments
from dockyard.engine.build.context import Context
from dockyard.engine.build.options import Options
from dockyard.engine.build.running import Surroundings
from dockyard.engine.build.stage import StageState
from dockyard.engine.dockerfile.shell import expand, expand_words
from dockyard.runtime.layers import Layer
from dockyard.runtime.references import short_id
from dockyard.runtime.runtime import Runtime

FindStage = Callable[[str], StageState | None]


class Work:
    """The state of one build; `begin` goes on with another stage."""

    def __init__(
        self,
        runtime: Runtime,
        context: Context,
        options: Options,
        arguments: Arguments,
        around: Surroundings,
        stream: Callable[[str], None],
        escape: str,
    ) -> None:
        self.runtime = runtime
        self.images = runtime.images
        self.context = context
        self.options = options
        self.arguments = arguments
        self.around = around
        self.stream = stream
        self.escape = escape
        self.state = StageState(None)
        self.find_stage: FindStage = lambda name: None
        self._missed = False

    def begin(self, state: StageState, find_stage: FindStage) -> None:
        """Go on with another stage; `find_stage` knows those before it. The cache counts again."""
        self.state = state
        self.find_stage = find_stage
        self._missed = self.options.no_cache

    # --- variables ---

    def variables(self) -> dict[str, str]:
        """What `$NAME` means in the stage at this point."""
        environment = self.state.environment()
        return {**self.arguments.for_stage(environment), **environment}

    def expand(self, text: str) -> str:
        """The text with its variables replaced. Raises ExpansionError."""
        return expand(text, self.variables(), self.escape)

    def expand_words(self, words: Sequence[str]) -> list[str]:
        """As `expand`, divided at blanks. Raises ExpansionError."""
        variables = self.variables()
        return [part for word in words for part in expand_words(word, variables, self.escape)]

    # --- cache and commit ---

    def key(self, created_by: str) -> str:
        """What names this step in the cache: all that its result depends on."""
        state = self.state
        parts = [state.image.id if state.image else "", created_by, state.config, state.author]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def cached(self, key: str) -> bool:
        """Take the image of an earlier build if there is one; after the first miss nothing is taken."""
        image = None if self._missed else self.images.recall(key)
        if image is None:
            self._missed = True
            return False
        self.stream(" ---> Using cache\n")
        self.state.image = image
        return True

    def keep(self, key: str, created_by: str, layer: Layer | None) -> None:
        """Make the image of this step, and remember it for the cache."""
        state = self.state
        if layer is not None and not self.images.layers.entries(layer.digest):
            layer = None
        image = self.images.commit(
            state.image, layer, state.config, created_by=created_by, author=state.author
        )
        self.images.remember(key, image.id)
        state.image = image

    def nop(self, comment: str) -> str:
        """How history names a step without a command."""
        return " ".join([*self.state.shell, f"#(nop) {comment}"])

    def commit(self, comment: str) -> None:
        """An instruction that changes the configuration only."""
        created_by = self.nop(" " + comment)
        key = self.key(created_by)
        if self.cached(key):
            return
        self.say_container(secrets.token_hex(32))
        self.keep(key, created_by, None)

    def say_container(self, container_id: str) -> None:
        """The two lines about a step's container."""
        # Upstream makes a container for every instruction; here only RUN has a real one.
        self.stream(f" ---> Running in {short_id(container_id)}\n")
        self.say_removed(container_id, self.options.remove)

    def say_removed(self, container_id: str, removed: bool) -> None:
        """The line about its end."""
        if removed:
            self.stream(f" ---> Removed intermediate container {short_id(container_id)}\n")

    def below(self) -> Sequence[Path]:
        """The layers of the stage's image so far."""
        return self.images.layer_paths(self.state.image) if self.state.image else ()
