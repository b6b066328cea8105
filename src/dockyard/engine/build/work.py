"""What every step of a build shares: the stage it works on, its variables, the cache, and the stream."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from dockyard.engine.build.arguments import Arguments
from dockyard.engine.build.base_images import BaseImages
from dockyard.engine.build.cache_from import CacheFrom
from dockyard.engine.build.context import Context
from dockyard.engine.build.errors import BuildFailed, Message
from dockyard.engine.build.options import Options
from dockyard.engine.build.running import Surroundings
from dockyard.engine.build.stage import StageState
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.dockerfile.shell import expand, expand_words
from dockyard.runtime.images import Image
from dockyard.runtime.layers import Layer
from dockyard.runtime.references import InvalidReference, short_id
from dockyard.runtime.runtime import Runtime
from dockyard.runtime.union import Union

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
        bases: BaseImages,
        say: Callable[[Message], None],
        escape: str,
    ) -> None:
        self.runtime = runtime
        self.images = runtime.images
        self.context = context
        self.options = options
        self.arguments = arguments
        self.around = around
        self.bases = bases
        self._say = say
        self.escape = escape
        self.state = StageState(None)
        self.find_stage: FindStage = lambda name: None
        # A build holds layers as a container does, under the name of its context, which a kill -9 leaves.
        self._holder = context.name
        self._cache_from = CacheFrom(self.images, options.cache_from) if options.cache_from else None
        self._held: list[str] = []
        self._missed = False

    def begin(self, state: StageState, find_stage: FindStage) -> None:
        """Go on with another stage; `find_stage` knows those before it. The cache counts again."""
        self.state = state
        self.find_stage = find_stage
        self._missed = self.options.no_cache
        if state.image is not None:
            self.hold(state.image.layers)

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

    def cached(self, key: str, created_by: str) -> bool:
        """Take the image of an earlier build if there is one; after the first miss nothing is taken."""
        image = None if self._missed else self._recall(key, created_by)
        if image is None:
            self._missed = True
            return False
        self.stream(" ---> Using cache\n")
        self.state.image = image
        self.hold(image.layers)
        return True

    def _recall(self, key: str, created_by: str) -> Image | None:
        found = self.images.recall(key)
        if self._cache_from is None or (found is not None and self._cache_from.allows(found)):
            return found
        return self._cache_from.find(self.state.image, self.state.config, created_by)

    def keep(self, key: str, created_by: str, layer: Layer | None) -> None:
        """Make the image of this step, and remember it for the cache."""
        state = self.state
        if layer is not None and not self.images.layers.entries(layer.digest):
            layer = None
        if layer is not None:
            self.hold([layer.digest])
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
        if self.cached(key, created_by):
            return
        self.say_container(secrets.token_hex(32))
        self.keep(key, created_by, None)

    def say_container(self, container_id: str) -> None:
        """The two lines about a step's container."""
        # Differs: upstream makes a container for every instruction, and leaves those of a build with rm=false
        # and of a failed step behind. Here only RUN has a real one, and none ever stays.
        self.stream(f" ---> Running in {short_id(container_id)}\n")
        self.say_removed(container_id, self.options.remove)

    def say_removed(self, container_id: str, removed: bool) -> None:
        """The line about its end."""
        if removed:
            self.stream(f" ---> Removed intermediate container {short_id(container_id)}\n")

    def stream(self, text: str) -> None:
        """Show the client a text."""
        self._say({"stream": text})

    def progress(self) -> Progress:
        """Shows a download to the client, from any thread. Stop it."""
        loop = asyncio.get_running_loop()

        def say(message: Message) -> None:
            loop.call_soon_threadsafe(self._say, {key: value for key, value in message.items() if value})

        return Progress(say)

    async def tree_of(self, wanted: str) -> tuple[Union, str]:
        """The files of an earlier stage or of an image, and what names them. Raises BuildFailed."""
        name = self.expand(wanted)
        stage = self.find_stage(name)
        try:
            image = stage.image if stage is not None else await self.bases.find(name)
        except InvalidReference as error:
            raise BuildFailed(f"invalid from flag value {wanted}: {error}") from error
        except BuildFailed as error:
            raise BuildFailed(f"invalid from flag value {wanted}: {error.message}") from error
        if image is None:
            return Union([]), "scratch"
        self.hold(image.layers)
        return Union(self.images.layer_paths(image)), image.id

    def hold(self, layers: Sequence[str]) -> None:
        """Keep layers until the build ends, also when somebody removes the image that has them meanwhile."""
        new = [layer for layer in layers if layer not in self._held]
        if new:
            self._held.extend(new)
            self.images.hold(self._holder, self._held)

    def end(self) -> None:
        """The build is over."""
        self.images.release(self._holder)

    def below(self) -> Sequence[Path]:
        """The layers of the stage's image so far."""
        return self.images.layer_paths(self.state.image) if self.state.image else ()
