"""Asking the shell server; the program narval_shell is built on it."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from narval.config import Address
from narval.control.proof import is_same, new_challenge
from narval.errors import NarvalError
from narval.shell.proofs import (
    DIRECTORY_HEADER,
    PROOF_HEADER,
    make_authorization,
    prove_answer,
    read_words,
)

PATH = "/shell"
ANSWER_DEADLINE_S = 600.0

_MAX_ANSWER_BYTES = 4 * 2**20


class Reply(NamedTuple):
    """An answer: its XML, and whether it says that all is well."""

    text: str
    is_ok: bool

    def texts(self, element: str) -> list[str]:
        """Return what is in the elements of this name."""
        return [each.text or "" for each in ET.fromstring(self.text).iter(element)]  # noqa: S314 - our own server's


class ShellClient:
    """The shell server at an address."""

    def __init__(self, server: Address, secret: str) -> None:
        self.server = server
        self._secret = secret

    def ask(self, line: str, directory: Path | None = None) -> Reply | None:
        """Return the answer to a line; None if it asks for nothing.

        Args:
            directory: where names of files in it begin; None: where this program is.

        Raises:
            NarvalError: the server is not there, or is not a shell server of this acquisition.
        """
        link = HTTPConnection(self.server.host, self.server.port, timeout=ANSWER_DEADLINE_S)
        body = line.encode(errors="surrogateescape")  # as it came, in whatever locale
        said = body.decode(errors="surrogateescape")
        where, own = quote(os.fsencode(directory or _here())), new_challenge()
        try:
            link.request("GET", PATH)
            invitation = link.getresponse()
            invitation.read(_MAX_ANSWER_BYTES)
            challenge = read_words(invitation.getheader("WWW-Authenticate", "")).get("challenge")
            if challenge is None:
                raise NarvalError(f"{self.server} asks for no proof: it is not a shell server")
            headers = {
                "Authorization": make_authorization(self._secret, challenge, own, where, said),
                "Content-Type": "text/plain; charset=utf-8",
                DIRECTORY_HEADER: where,
            }
            link.request("POST", PATH, body, headers)
            response = link.getresponse()
            text = response.read(_MAX_ANSWER_BYTES).decode()
        except TimeoutError as error:
            raise NarvalError(
                f"shell server: {self.server} gave no answer within {ANSWER_DEADLINE_S:g} s; the "
                "action may still be under way: get state SUB_SYSTEM_NAME tells"
            ) from error
        except OSError as error:
            raise NarvalError(
                f"shell server: {self.server} cannot be reached: {error.strerror or error}; "
                "start aws_shell, or say where it is with --server or NARVAL_SHELL"
            ) from error
        except (HTTPException, UnicodeDecodeError) as error:
            raise NarvalError(f"{self.server} is not a shell server: {error!r}") from error
        finally:
            link.close()
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise NarvalError(f"shell server: {self.server} does not take this secret")
        expected = prove_answer(self._secret, {"challenge": challenge, "own": own}, text)
        if response.status == HTTPStatus.OK and not is_same(
            response.getheader(PROOF_HEADER), expected
        ):
            raise NarvalError(
                f"{self.server} does not know the secret: its answer cannot be trusted"
            )
        if not text and response.status == HTTPStatus.OK:
            return None
        return read_reply(text, f"{self.server} answers {response.status} {response.reason}")


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed while we were in it
        return Path("/")


def read_reply(text: str, about: str) -> Reply:
    """Return the answer in this text. Pure.

    Args:
        about: who answered what, for the error.

    Raises:
        NarvalError: it is not XML.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - our own server's
    except ET.ParseError:
        raise NarvalError(f"{about}, and no XML") from None
    return Reply(text, root.get("status", "").upper() == "OK")
