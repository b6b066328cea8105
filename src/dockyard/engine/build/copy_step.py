"""COPY and ADD: what they take and where it goes, under which name in the history and in the cache."""

import asyncio
import hashlib
import posixpath
import re
from pathlib import Path

from dockyard.engine.build.copying import Copier, Owner, find_owner
from dockyard.engine.build.errors import BuildFailed
from dockyard.engine.build.remote_file import fetch_file, is_url
from dockyard.engine.build.sources import Source, find_sources, hash_sources
from dockyard.engine.build.work import Work
from dockyard.engine.dockerfile import Instruction
from dockyard.engine.dockerfile.shell import expand
from dockyard.runtime.layers import Layer
from dockyard.runtime.union import Union

_MODE = re.compile(r"[0-7]{3,4}")
# Messages that upstream doesn't begin with the instruction's name.
_OWN_WORDS = (
    "When using",
    "failed to copy",
    "invalid from flag",
    "unable to convert",
    "invalid chmod",
)


class CopyStep:
    """COPY and ADD in every form."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def do(self, instruction: Instruction) -> None:
        """Raises BuildFailed, ExpansionError."""
        if "chmod" in instruction.flags and not _MODE.fullmatch(instruction.flags["chmod"]):
            raise BuildFailed(f"invalid chmod parameter: '{instruction.flags['chmod']}': it should be octal")
        try:
            await self._copy_files(instruction)
        except BuildFailed as error:
            if error.message.startswith(_OWN_WORDS):
                raise
            raise BuildFailed(f"{instruction.name} failed: {error.message}") from error

    async def _copy_files(self, instruction: Instruction) -> None:
        state, name, flags = self._work.state, instruction.name, instruction.flags
        words = [self._work.expand(word) for word in instruction.args]
        *patterns, destination = words
        inline = [one for one in instruction.heredocs if any(_names(word, one.name) for word in patterns)]
        patterns = [word for word in patterns if not any(_names(word, one.name) for one in inline)]
        urls = [word for word in patterns if name == "ADD" and is_url(word)]
        patterns = [word for word in patterns if word not in urls]
        tree = self._work.context.tree
        if "from" in flags:
            tree, _ = await self._work.tree_of(flags["from"])
        below = self._work.below()
        owner = await asyncio.to_thread(self._owner, instruction)
        in_context = "from" not in flags
        sources: list[Source] = []
        if patterns:
            sources = await asyncio.to_thread(find_sources, tree, patterns, in_context=in_context)
        fetched = [await self._fetch(url, flags.get("checksum", "")) for url in urls]
        texts = {
            one.name: (self._expand_lines(one.content) if one.expand else one.content).encode()
            for one in inline
        }
        is_directory = destination.endswith("/") or posixpath.basename(destination) in ("", ".", "..")
        if len(sources) + len(fetched) + len(texts) > 1 and not is_directory:
            raise BuildFailed(
                f"When using {name} with more than one source file, the destination must be a directory "
                "and end with a /"
            )
        digest = await asyncio.to_thread(hash_sources, [*fetched, *sources]) if sources or fetched else ""
        if texts:
            digest += "inline:" + hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
        said = [name, *(f"--{key}={flags[key]}" for key in ("chown", "chmod") if key in flags)]
        created_by = self._work.nop(f"{' '.join(said)} {digest} in {destination} ")
        key = self._work.key(created_by)
        if self._work.cached(key, created_by):
            return
        target = posixpath.normpath(posixpath.join(state.directory, destination))
        target = target.rstrip("/") + "/" if is_directory else target
        mode = int(flags["chmod"], 8) if "chmod" in flags else None

        def write() -> Layer:
            copier = Copier(
                self._work.images.layers.new_tree(), below, owner=owner, mode=mode, keep_mtime=in_context
            )
            for source in fetched:
                copier.copy(source, target)
            for source in sources:
                if name != "ADD" or not copier.unpack(source, target):
                    copier.copy(source, target)
            for text_name, content in texts.items():
                copier.write(text_name, content, target)
            copier.finish()
            return self._work.images.add_layer(
                copier.tree, keep_mtime=in_context, keep_bytecode=in_context, owners=copier.owners
            )

        self._work.keep(key, created_by, await asyncio.to_thread(write))

    async def _fetch(self, url: str, checksum: str) -> Source:
        """The file of a URL, in a directory that goes with the build."""
        progress = self._work.progress()
        try:
            path = await asyncio.to_thread(fetch_file, url, self._work.context.new_directory(), progress)
        finally:
            progress.stop()
        self._work.stream("\n")
        if checksum:
            # Differs: `ADD --checksum` works here; the classic builder refuses it.
            digest = "sha256:" + await asyncio.to_thread(_sha256, path)
            if digest != checksum:
                raise BuildFailed(f"digest mismatch {digest}: {checksum}")
        tree = Union([path.parent])
        found = tree.lookup(f"/{path.name}", follow=False)
        assert found is not None
        return Source(tree, path.name, found)

    def _owner(self, instruction: Instruction) -> Owner | None:
        """Whose the files will be; None: of whom they are, as COPY --from has it."""
        if "chown" in instruction.flags:
            return find_owner(Union(self._work.below()), self._work.expand(instruction.flags["chown"]))
        return None if "from" in instruction.flags else (0, 0)

    def _expand_lines(self, text: str) -> str:
        """Variables in a heredoc; quotes in it are text."""
        variables = self._work.variables()
        protected = text.replace('"', f'{self._work.escape}"')
        return expand(f'"{protected}"', variables, self._work.escape)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(word: str, heredoc: str) -> bool:
    return re.fullmatch(rf"<<-?['\"]?{re.escape(heredoc)}['\"]?", word) is not None
