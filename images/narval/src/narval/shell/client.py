"""Asking the shell server; the program narval_shell is built on it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

from narval.client import ACTION_DEADLINE_S
from narval.config import Address
from narval.errors import NarvalError

_MOST_ANSWER_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Reply:
    """An answer: its XML, and whether it says that all is well."""

    text: str
    is_ok: bool

    def texts(self, element: str) -> list[str]:
        """Return what stands in the elements of this name."""
        return [each.text or "" for each in ET.fromstring(self.text).iter(element)]  # noqa: S314 - our own server's


class ShellClient:
    """The shell server at an address."""

    def __init__(self, server: Address, secret: str) -> None:
        self.server = server
        self._secret = secret

    def ask(self, line: str) -> Reply | None:
        """Return the answer to a line; None if it asks for nothing.

        Raises:
            NarvalError: the server is not there, or is no shell server.
        """
        link = HTTPConnection(self.server.host, self.server.port, timeout=ACTION_DEADLINE_S)
        headers = {
            "Authorization": f"Bearer {self._secret}",
            "Content-Type": "text/plain; charset=utf-8",
            "Narval-Directory": quote(str(Path.cwd())),
        }
        try:
            link.request("POST", "/shell", line.encode(), headers)
            response = link.getresponse()
            text = response.read(_MOST_ANSWER_BYTES).decode()
        except OSError as error:
            raise NarvalError(
                f"shell server: {self.server} cannot be reached: {error.strerror or error}; "
                "start aws_shell, or say where it is with --server or NARVAL_SHELL"
            ) from error
        except (HTTPException, UnicodeDecodeError) as error:
            raise NarvalError(f"{self.server} is no shell server: {error!r}") from error
        finally:
            link.close()
        if not text and response.status == 200:
            return None
        return read_reply(text, f"{self.server} answers {response.status} {response.reason}")


def read_reply(text: str, about: str) -> Reply:
    """Return the answer in this text. Pure.

    Args:
        about: who answered what, for the error.

    Raises:
        NarvalError: it is no XML.
    """
    try:
        root = ET.fromstring(text)  # noqa: S314 - our own server's
    except ET.ParseError:
        raise NarvalError(f"{about}, and no XML") from None
    return Reply(text, root.get("status", "").upper() == "OK")
