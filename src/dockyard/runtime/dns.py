"""The name server of all sandboxes: who asks decides which names there are."""

import asyncio
import functools
import logging
import socket
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dockyard.runtime import dns_message as dns

logger = logging.getLogger(__name__)

# Names below these never leave the machine, so a misspelt Service fails at once, also without a network.
_OWN_DOMAINS = ("cluster.local", "internal", "svc")
_UPSTREAM_SECONDS = 2.0
_LONGEST_CHAIN = 8  # aliases of aliases; a ring of them ends here

Asker = Callable[[str], tuple[frozenset[str], bool] | None]
"""Maps a source address to (groups, is it connected); None for one that is no sandbox's."""


class Names:
    """What each group's names stand for. Names are kept in lower case, without a last dot."""

    def __init__(self) -> None:
        self._addresses: dict[str, dict[str, tuple[str, ...]]] = {}
        self._services: dict[str, dict[str, tuple[tuple[str, int], ...]]] = {}
        self._aliases: dict[str, dict[str, str]] = {}
        self._turn = 0

    def set_addresses(self, group: str, names: Mapping[str, Sequence[str]]) -> None:
        """Merge names into a group; an empty list removes one. Raises ValueError for a bad IPv4 address."""
        for address in (address for addresses in names.values() for address in addresses):
            try:
                socket.inet_pton(socket.AF_INET, address)
            except OSError:
                raise ValueError(f"{address!r} is not an IPv4 address") from None
        known = self._addresses.setdefault(group, {})
        for name, addresses in names.items():
            if addresses:
                known[_canonical(name)] = tuple(addresses)
            else:
                known.pop(_canonical(name), None)

    def set_srv(self, group: str, name: str, targets: Sequence[tuple[str, int]]) -> None:
        known = self._services.setdefault(group, {})
        if targets:
            known[_canonical(name)] = tuple(targets)
        else:
            known.pop(_canonical(name), None)

    def set_alias(self, group: str, name: str, target: str) -> None:
        """Let a name stand for another one, of whomever; an empty target removes it."""
        known = self._aliases.setdefault(group, {})
        if target:
            known[_canonical(name)] = _canonical(target)
        else:
            known.pop(_canonical(name), None)

    def alias(self, name: str, groups: Iterable[str]) -> str | None:
        """What a name stands for in these groups."""
        return next(
            (self._aliases[g][name] for g in sorted(groups) if name in self._aliases.get(g, {})), None
        )

    def addresses(self, name: str, groups: Iterable[str]) -> list[dns.Record] | None:
        """The addresses of a name in these groups, as its own records; None for one that they don't have."""
        for group in sorted(groups):
            addresses = self._addresses.get(group, {}).get(name)
            if addresses is not None:
                return self._in_turn(addresses, name)
        return None

    def answer(self, question: dns.Question, groups: Iterable[str]) -> bytes | None:
        """Answer from the names of these groups; None for a name that they don't have."""
        name, found = question.name, False
        for group in sorted(groups):
            addresses = self._addresses.get(group, {}).get(name)
            if addresses is not None:
                found = True
                if question.type == dns.A:
                    return dns.respond(question, dns.NOERROR, self._in_turn(addresses))
            targets = self._services.get(group, {}).get(name)
            if targets is not None:
                found = True
                if question.type == dns.SRV:
                    return dns.respond(question, dns.NOERROR, [dns.service(*target) for target in targets])
        if found:  # the name is there, without records of this type
            return dns.respond(question, dns.NOERROR)
        return self._answer_reverse(question, groups) if question.type == dns.PTR else None

    def _in_turn(self, addresses: tuple[str, ...], owner: str = "") -> list[dns.Record]:
        self._turn += 1
        first = self._turn % len(addresses)
        return [dns.address(address, owner) for address in addresses[first:] + addresses[:first]]

    def _answer_reverse(self, question: dns.Question, groups: Iterable[str]) -> bytes | None:
        labels = question.name.removesuffix(".in-addr.arpa").split(".")
        if labels == [question.name] or len(labels) != 4:
            return None
        wanted = ".".join(reversed(labels))
        for group in sorted(groups):
            for name, addresses in self._addresses.get(group, {}).items():
                if wanted in addresses:
                    return dns.respond(question, dns.NOERROR, [dns.pointer(name)])
        if labels[-1] == "127" or labels[-2:] == ["96", "10"]:
            return dns.respond(question, dns.NXDOMAIN)
        return None


class Outside(NamedTuple):
    """A question that only others can answer, about the name at the end of a chain of aliases."""

    question: dns.Question
    name: str
    chain: tuple[dns.Record, ...] = ()


class NameServer:
    """Answers over UDP and TCP; other names go to the machine's resolver, if it has one that answers."""

    def __init__(
        self,
        names: Names,
        asker: Asker,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        *,
        upstream_port: int = 53,
    ) -> None:
        self._names = names
        self._asker = asker
        self._resolv_conf = resolv_conf
        self._upstream_port = upstream_port
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._upstream_fails = 0

    async def start(self, address: str, port: int) -> None:
        """Begin to answer; raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve_stream, address, port)
        self.address: tuple[str, int] = self._server.sockets[0].getsockname()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=self.address
        )

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def receive(self, message: bytes, sender: tuple[str, int]) -> None:
        """Answer a datagram, at once if the name is ours."""
        reply = self._answer_locally(message, sender[0])
        if isinstance(reply, Outside):
            self._run(self._forward_datagram(message, reply, sender))
        elif reply is not None and self._transport is not None:
            question = dns.parse_query(message)
            self._transport.sendto(dns.truncate(reply, question), sender)

    def _answer_locally(self, message: bytes, address: str) -> bytes | Outside | None:
        """Return the answer, nothing (lost), or the question if only others can answer it."""
        try:
            question = dns.parse_query(message)
        except ValueError:
            return None
        asker = self._asker(address)
        if asker is None:
            return dns.respond(question, dns.REFUSED)
        groups, is_connected = asker
        if not is_connected:
            return None
        target = self._names.alias(question.name, groups)
        if target is not None:
            return self._follow(question, target, groups)
        answer = self._names.answer(question, groups)
        if answer is not None:
            return answer
        return (
            dns.respond(question, dns.NXDOMAIN)
            if _is_ours(question.name)
            else Outside(question, question.name)
        )

    def _follow(self, question: dns.Question, target: str, groups: Iterable[str]) -> bytes | Outside:
        """The answer for an alias: the name that it stands for, and that one's addresses."""
        chain = [dns.alias(target)]
        if question.type == dns.CNAME:
            return dns.respond(question, dns.NOERROR, chain)
        while len(chain) < _LONGEST_CHAIN and (further := self._names.alias(target, groups)) is not None:
            chain.append(dns.alias(further, target))
            target = further
        addresses = self._names.addresses(target, groups)
        if addresses is not None:
            found = addresses if question.type == dns.A else []
            return dns.respond(question, dns.NOERROR, [*chain, *found])
        if _is_ours(target):
            return dns.respond(question, dns.NXDOMAIN, chain)
        return Outside(question, target, tuple(chain))

    async def _ask_others(self, message: bytes, wanted: Outside) -> bytes:
        question, name, chain = wanted
        if not chain:
            return await self._ask_upstream(message, question)
        reply = await self._ask_upstream(dns.ask(question, name), question)
        try:
            code, found = dns.answers(reply, question.type, name)
        except ValueError:
            return dns.respond(question, dns.SERVFAIL)
        return dns.respond(question, code, [*chain, *found])

    async def _forward_datagram(self, message: bytes, wanted: Outside, sender: tuple[str, int]) -> None:
        reply = await self._ask_others(message, wanted)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(reply, sender)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                reply = self._answer_locally(message, writer.get_extra_info("peername")[0])
                if isinstance(reply, Outside):
                    reply = await self._ask_others(message, reply)
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has what it wanted
        finally:
            writer.close()

    async def _ask_upstream(self, message: bytes, question: dns.Question) -> bytes:
        servers = self._upstream_servers()
        if not servers:
            return dns.respond(question, dns.NXDOMAIN)
        # A resolver that never answers (a laptop offline) is given less and less time, so programs fail fast.
        patience = _UPSTREAM_SECONDS / 2 ** min(self._upstream_fails, 5)
        for server in servers[:2]:
            loop = asyncio.get_running_loop()
            answered: asyncio.Future[bytes] = loop.create_future()
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    functools.partial(_Upstream, answered), remote_addr=(server, self._upstream_port)
                )
            except OSError:
                continue
            try:
                transport.sendto(message)
                async with asyncio.timeout(patience):
                    reply = await answered
                self._upstream_fails = 0
                return reply
            except (TimeoutError, OSError):
                continue
            finally:
                transport.close()
        self._upstream_fails += 1
        return dns.respond(question, dns.SERVFAIL)

    def _upstream_servers(self) -> list[str]:
        try:
            lines = self._resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.receive(data, addr)

    def error_received(self, exc: Exception) -> None:
        logger.debug("dns: a client went away: %s", exc)


class _Upstream(asyncio.DatagramProtocol):
    def __init__(self, answered: asyncio.Future[bytes]) -> None:
        self._answered = answered

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._answered.done():
            self._answered.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)


def _is_ours(name: str) -> bool:
    return "." not in name or name.endswith(tuple(f".{own}" for own in _OWN_DOMAINS))


def _canonical(name: str) -> str:
    return name.lower().rstrip(".")
