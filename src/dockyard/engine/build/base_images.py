"""Finds the images that a Dockerfile names: in the store, in the catalog of stand-ins, or in a registry."""

import asyncio
from collections.abc import Callable, Mapping

from dockyard.engine.build.errors import BuildFailed, Message
from dockyard.engine.distribution.credentials import NOBODY, Credentials
from dockyard.engine.distribution.errors import TransferError, pull_answer
from dockyard.engine.distribution.location import HUB, locate
from dockyard.engine.distribution.manifests import NoPlatform, parse_platform
from dockyard.engine.distribution.progress import Progress
from dockyard.engine.distribution.pull import Pull
from dockyard.runtime import catalog
from dockyard.runtime.images import Image, ImageNotFound, ImageStore
from dockyard.runtime.references import is_id

_HUB_KEY = "https://index.docker.io/v1/"


class BaseImages:
    """`say` hears of a download's progress; `always` asks the registry also for images that are here."""

    def __init__(
        self,
        images: ImageStore,
        registries: Mapping[str, Credentials],
        say: Callable[[Message], None],
        *,
        always: bool,
    ) -> None:
        self._images = images
        self._registries = registries
        self._say = say
        self._always = always

    async def find(self, name: str, platform: str = "") -> Image:
        """The image. Raises BuildFailed in the registry's words, InvalidReference."""
        loop = asyncio.get_running_loop()

        def say(message: Message) -> None:
            loop.call_soon_threadsafe(self._say, message)

        progress = Progress(say)
        try:
            return await asyncio.to_thread(self._find, name, platform, progress)
        finally:
            progress.stop()

    def _find(self, name: str, platform: str, progress: Progress) -> Image:
        try:
            image = self._images.resolve(name, progress.say)
        except ImageNotFound:
            return self._pull(name, platform, progress)
        if self._always and not is_id(name) and catalog.find(locate(name).reference) is None:
            return self._pull(name, platform, progress)
        return image

    def _pull(self, name: str, platform: str, progress: Progress) -> Image:
        location = locate(name)
        key = _HUB_KEY if location.host == HUB else location.host
        wanted = parse_platform(platform, catalog.architecture())
        pull = Pull(self._images, location, wanted, self._registries.get(key, NOBODY))
        try:
            return pull.run(pull.find(), progress)
        except NoPlatform as error:
            raise BuildFailed(str(error)) from error
        except TransferError as error:
            raise BuildFailed(pull_answer(error, location).message) from error
