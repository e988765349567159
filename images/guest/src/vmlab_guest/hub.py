"""The hub's API as seen from a machine: a few small requests with the server's own token.

Shared by the agent and by `lab`. The token goes into a header and nowhere else.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import urlsplit

from vmlab_guest.errors import DeliveryError
from vmlab_protocol.outside import load_json

MAX_JSON_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_MESSAGE_CHARS = 200


class HubError(DeliveryError):
    """The hub could not be asked or refused.

    Attributes:
        status: the HTTP status, or 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Hub:
    """Where the hub is and how it knows us."""

    api_url: str  # JUPYTERHUB_API_URL, as in http://10.0.2.2:8081/hub/api
    token: str = field(repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Hub | None:
        """Return the hub of this environment, or None if it names none."""
        url, token = env.get("JUPYTERHUB_API_URL", ""), env.get("JUPYTERHUB_API_TOKEN", "")
        return cls(url, token) if url and token else None

    def get_json(self, path: str, timeout_s: float) -> object:
        """Return the decoded answer to `GET {api_url}/vmlab/{path}`.

        Raises:
            HubError: no answer in time, a refusal, or no JSON.
        """
        return _decode(self._request("GET", path, None, timeout_s))

    def post_json(self, path: str, body: Mapping[str, object], timeout_s: float) -> object:
        """Return the decoded answer to a POST of `body`.

        Raises:
            HubError: as `get_json`.
        """
        return _decode(self._request("POST", path, json.dumps(body).encode(), timeout_s))

    def download(self, path: str, target: BinaryIO, max_bytes: int, timeout_s: float) -> None:
        """Write the answer to `GET` into `target`; `timeout_s` limits each wait for data.

        Raises:
            HubError: as `get_json`, or the answer is longer than `max_bytes`.
            OSError: `target` cannot be written.
        """
        self._request("GET", path, None, timeout_s, target=target, max_bytes=max_bytes)

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        timeout_s: float,
        *,
        target: BinaryIO | None = None,
        max_bytes: int = MAX_JSON_BYTES,
    ) -> bytes:
        where = f"{method} {self.api_url}/vmlab/{path}"
        connection = self._connect(timeout_s)
        headers = {"Authorization": f"token {self.token}", "Accept": "*/*"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            try:
                prefix = urlsplit(self.api_url).path.rstrip("/")
                connection.request(method, f"{prefix}/vmlab/{path}", body=body, headers=headers)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise HubError(f"{where}: no answer: {error}") from error
            except ValueError as error:
                # A token or an address with characters that no header can hold; they are not shown.
                raise HubError(
                    f"{where}: cannot send the request: {type(error).__name__}"
                ) from error
            if not 200 <= answer.status < 300:
                raise HubError(f"{where}: {_refusal(answer)}", answer.status)
            return _read(answer, where, target, max_bytes)
        finally:
            connection.close()

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        try:
            parts = urlsplit(self.api_url)
            host, port = parts.hostname, parts.port
            if parts.scheme not in {"http", "https"} or not host:
                raise ValueError("no http or no host")
            if parts.scheme == "http":
                return http.client.HTTPConnection(host, port, timeout=timeout_s)
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        except (ValueError, http.client.InvalidURL) as error:
            shown = f"{self.api_url[:100]!r}"
            raise HubError(f"{shown} is not the address of a hub: {str(error)[:100]}") from error


def _read(
    answer: http.client.HTTPResponse, where: str, target: BinaryIO | None, max_bytes: int
) -> bytes:
    """Return the body, or write it into `target` and return nothing."""
    kept = bytearray()
    total = 0
    while True:
        try:
            chunk = answer.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise HubError(f"{where}: cut off after {total} bytes: {error}") from error
        if not chunk:
            break
        total += len(chunk)
        if total > max_bytes:
            raise HubError(f"{where}: longer than the {max_bytes} bytes allowed")
        if target is None:
            kept += chunk
        else:
            target.write(chunk)
    if answer.length:  # http.client does not complain about a short body
        raise HubError(f"{where}: cut off after {total} bytes, {answer.length} are missing")
    return bytes(kept)


def _refusal(answer: http.client.HTTPResponse) -> str:
    """Return the status and the hub's own words, if they can be read."""
    try:
        body = load_json(answer.read(_CHUNK_BYTES))
        message = str(body["message"]) if isinstance(body, dict) else ""
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        message = ""
    return f"{answer.status} {message or answer.reason}"[:_MESSAGE_CHARS]


def _decode(body: bytes) -> object:
    if not body:
        return None
    try:
        value: object = load_json(body)
    except ValueError as error:
        raise HubError(f"the hub's answer is not JSON: {error}") from error
    return value
