"""The other side of a control connection: calls, answers and notes.

Either side may call. Handlers are coroutine functions by name; each is given the message's `with`
as keyword arguments. What a handler raises as NarvalError is raised by the caller's `call` as
RemoteError, with the same text.

Example:
    peer = await connect(host, port, secret, {"hello": "actor", "uuid": uuid}, {"load": load})
    address = await peer.call("lookup", deadline_s=5, name="tandem")
    peer.note("status", state="Running")
    await peer.closed()
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any

from narval.control.proof import Side, is_same, new_challenge, prove
from narval.control.wire import MAX_LINE_BYTES, BadMessageError, Message, decode, encode
from narval.errors import NarvalError
from narval.keepalive import watch_for_silence

Handler = Callable[..., Awaitable[Any]]

_KINDS = {
    "str": str,
    "int": int,
    "bool": bool,
    "float": float | int,
    "None": NoneType,
    "Mapping": dict,
    "dict": dict,
    "Sequence": list,
    "list": list,
}
"""What JSON makes of a parameter's type, by the type's first word."""

HELLO_DEADLINE_S = 30.0
CALL_DEADLINE_S = 30.0
_MAX_UNREAD_BYTES = 8 * MAX_LINE_BYTES  # of a side that has stopped reading

logger = logging.getLogger(__name__)
_tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references


class RemoteError(NarvalError):
    """The other side refused a call, or failed in it; `kind` is the name of its error's class."""

    def __init__(self, text: str, kind: str = "") -> None:
        self.kind = kind
        super().__init__(text)


class PeerClosedError(NarvalError):
    """The connection has ended, or could not be made."""


class UnknownSecretError(PeerClosedError):
    """The server did not take us: we have not its secret."""


class DeadlineError(NarvalError):
    """The other side did not answer in time."""


class Peer:
    """One connection. Made by `connect` and `serve`, not by hand.

    Attributes:
        hello: what a client said when it came (without the secret); a server's is empty.
        handlers: what the other side may call here; may be replaced at any time.
        what: who it is, for messages.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hello: Mapping[str, Any],
        what: str,
    ) -> None:
        self.hello = hello
        self.what = what
        self.handlers: Mapping[str, Handler] = {}
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._closed = asyncio.Event()
        self._after: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Read what comes from now on; `connect` and `serve` call it once."""
        self._spawn(self._read())

    async def call(
        self, name: str, /, *, deadline_s: float | None = CALL_DEADLINE_S, **with_: Any
    ) -> Any:
        """Call a handler of the other side; return its value.

        Args:
            deadline_s: None: the caller has a deadline of its own.

        Raises:
            RemoteError: it refused or failed.
            DeadlineError: it did not answer within `deadline_s` seconds.
            PeerClosedError: the connection has ended.
            BadMessageError: the call is too large.
        """
        number = next(self._numbers)
        line = encode({"id": number, "call": name, "with": with_})
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(line)
            async with asyncio.timeout(deadline_s):
                return await answer
        except TimeoutError:
            text = f"{self.what} did not answer {name!r} within {deadline_s:g} s"
            raise DeadlineError(text) from None
        finally:
            del self._waiting[number]

    def note(self, name: str, /, **with_: Any) -> None:
        """Tell the other side something; dropped if the connection has ended.

        Raises:
            BadMessageError: the note is too large.
        """
        line = encode({"note": name, "with": with_})
        if not self._closed.is_set():
            self._send(line)

    async def closed(self) -> None:
        """Wait until the connection has ended, on whichever side."""
        await self._closed.wait()

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Have this called once when the connection ends; at once if it has ended."""
        if self.is_closed:
            callback()
        else:
            self._after.append(callback)

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the connection; again: no change. What was sent before still arrives."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(PeerClosedError(f"{self.what}: the connection has ended"))
        for callback in self._after:
            callback()

    def _send(self, line: bytes) -> None:
        if self._closed.is_set():
            raise PeerClosedError(f"{self.what}: the connection has ended")
        if self._writer.transport.get_write_buffer_size() > _MAX_UNREAD_BYTES:
            logger.warning("%s does not read what is sent to it: closed", self.what)
            self._writer.transport.abort()
            self.close()
            return
        self._writer.write(line)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(decode(line))
        except (BadMessageError, ValueError) as error:  # ValueError: asyncio, of a line too long
            reason = error if isinstance(error, BadMessageError) else "a line is too long"
            logger.warning("%s: %s; closed", self.what, reason)
        except ConnectionError as error:
            logger.debug("%s: %s", self.what, error)
        except OSError as error:  # its machine is gone: keepalive or route
            logger.warning("%s: %s", self.what, error.strerror)
        finally:
            self.close()

    def _take(self, message: Message) -> None:
        with_ = message.get("with", {})
        if not isinstance(with_, dict):
            raise BadMessageError("'with' must be an object")
        match message:
            case {"call": str(name), "id": int(number)}:
                self._spawn(self._answer(number, name, with_))
            case {"note": str(name)}:
                self._spawn(self._hear(name, with_))
            case {"id": int(number)}:
                self._resolve(number, message)
            case _:
                raise BadMessageError(f"neither call, answer nor note: {sorted(message)[:8]}")

    def _resolve(self, number: int, message: Message) -> None:
        answer = self._waiting.get(number)
        if answer is None or answer.done():
            return  # it came after its deadline
        if "error" in message:
            answer.set_exception(RemoteError(str(message["error"]), str(message.get("kind", ""))))
        else:
            answer.set_result(message.get("value"))

    async def _answer(self, number: int, name: str, with_: Message) -> None:
        try:
            line = encode({"id": number, "value": await self._run(name, with_)})
        except NarvalError as error:
            kind = error.kind if isinstance(error, RemoteError) else type(error).__name__
            line = encode({"id": number, "error": str(error)[: MAX_LINE_BYTES // 16], "kind": kind})
        except Exception as error:  # the root of a task; the caller must not wait in vain
            logger.exception("%s: a mistake of ours in %r", self.what, name)
            text = f"a mistake of narval's own in {name!r}: {type(error).__name__}: {error}"
            line = encode({"id": number, "error": text[:4096], "kind": type(error).__name__})
        if not self._closed.is_set():
            self._send(line)

    async def _hear(self, name: str, with_: Message) -> None:
        try:
            await self._run(name, with_)
        except NarvalError as error:
            logger.warning("%s: its note %r: %s", self.what, name, error)
        except Exception:  # the root of a task
            logger.exception("%s: a mistake of ours in note %r", self.what, name)

    async def _run(self, name: str, with_: Message) -> Any:
        handler = self.handlers.get(name)
        if handler is None:
            known = ", ".join(sorted(self.handlers)) or "nothing"
            raise NarvalError(f"{name[:60]!r} cannot be called here (known: {known})")
        try:
            signature = inspect.signature(handler)
            signature.bind(**with_)
        except TypeError as error:
            raise NarvalError(f"{name}: {error}") from error
        for word, value in with_.items():
            wanted = signature.parameters.get(word)
            if wanted is not None and not _fits(value, str(wanted.annotation)):
                found = type(value).__name__
                raise NarvalError(f"{name}: {word} is a {found}, not {wanted.annotation}")
        return await handler(**with_)


def _fits(value: Any, annotation: str) -> bool:
    """Tell whether a value of JSON may be given for a parameter, as far as its type is simple."""
    kinds = [_KINDS.get(word.partition("[")[0]) for word in annotation.split(" | ")]
    return None in kinds or isinstance(value, tuple(kind for kind in kinds if kind))


async def connect(
    host: str,
    port: int,
    secret: str,
    hello: Mapping[str, Any],
    handlers: Mapping[str, Handler] | None = None,
) -> Peer:
    """Connect to a server and prove the secret.

    Args:
        hello: `{"hello": ROLE}` and further facts about us; the proof of the secret is added here.
        handlers: what the server may call.

    Raises:
        UnknownSecretError: the server did not take us.
        PeerClosedError: nobody listens there, or it is not a service of narval.
    """
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(HELLO_DEADLINE_S):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_LINE_BYTES)
            watch(writer)
            try:
                taken = await _greet(reader, writer, secret, hello)
            except BaseException:
                writer.close()
                raise
            if not taken:
                writer.close()
    except TimeoutError:
        raise PeerClosedError(f"{where} does not answer within {HELLO_DEADLINE_S:g} s") from None
    except (BadMessageError, ValueError) as error:
        raise PeerClosedError(f"{where} is not a service of narval: {error}") from error
    except ConnectionResetError:
        taken = False
    except OSError as error:
        raise PeerClosedError(f"{where} cannot be reached: {reason_of(error)}") from error
    if not taken:
        raise UnknownSecretError(f"{where} refused the connection: it does not know this secret")
    peer = Peer(reader, writer, {}, where)
    peer.handlers = handlers or {}
    peer.begin()
    return peer


async def _greet(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    secret: str,
    hello: Mapping[str, Any],
) -> bool:
    """Prove the secret to a server; tell whether it took us, and proved it, too."""
    asked = decode(await reader.readline()).get("challenge")
    if not isinstance(asked, str):
        raise BadMessageError("it asks for no proof of the secret")
    challenges = (asked, new_challenge())
    proof = prove(secret, Side.CLIENT, *challenges)
    writer.write(encode({**hello, "challenge": challenges[1], "proof": proof}))
    answer = await reader.readline()
    expected = prove(secret, Side.SERVER, *challenges)
    return bool(answer) and is_same(decode(answer).get("welcome"), expected)


def watch(writer: asyncio.StreamWriter) -> None:
    """Have the kernel end a connection that is silent, or takes nothing, for half a minute."""
    link: socket.socket = writer.get_extra_info("socket")
    watch_for_silence(link)
    # What was sent and not acknowledged, in ms. Not for links of data: a reader may stand still.
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)


def reason_of(error: OSError) -> str:
    """Return what the system says of an error, without what asyncio puts around it."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno)
