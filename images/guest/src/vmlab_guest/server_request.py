"""What agent and zygote exchange: a file with the requested server, and a command.

/run/vmlab/server.json       0600 root   the request: environment and arguments
/run/vmlab/zygote/control    0600 root   socket for words
/run/vmlab/zygote/state      0644        ServerState, while the zygote lives
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from vmlab_protocol.outside import load_json

RUNTIME = Path("/run/vmlab-server")
"""The server writes its token beside the kernels' connection files: not onto the volume."""

REQUEST = Path("/run/vmlab/server.json")
FOLDER = Path("/run/vmlab/zygote")
CONTROL = FOLDER / "control"
STATE = FOLDER / "state"


EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the hub asks for: all addresses of a machine
"""In the server's URL, from a hub that does not know the machine's address."""


class Word(StrEnum):
    """What the agent asks for; the answer is "ok" or what went wrong."""

    LAUNCH = "launch"
    DRY_RUN = "rehearse"


@dataclass(frozen=True)
class ServerRequest:
    """The server that the seed wants; `env` holds the hub token."""

    env: dict[str, str] = field(repr=False)
    args: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where it listens.

        Raises:
            ValueError: its URL is invalid.
        """
        from urllib.parse import urlsplit  # noqa: PLC0415 - not before the agent's first word

        return urlsplit(self.env.get("JUPYTERHUB_SERVICE_URL", "")).hostname or EVERYWHERE


def serves(runtime: Path = RUNTIME) -> bool:
    """Tell whether the server serves.

    By a file that it writes just before: its port listens too early, that of a standby server even
    before it has an identity.
    """
    return any(runtime.glob("jpserver-*.json"))


def dump_request(env: dict[str, str], args: tuple[str, ...]) -> str:
    """Return the file's text; the same for the same server."""
    return json.dumps({"env": env, "args": args}, sort_keys=True) + "\n"


def read_request(path: Path) -> ServerRequest | None:
    """Return the request, or None while there is none.

    Raises:
        OSError, ValueError, KeyError: it cannot be read; the agent writes it whole or not at all.
    """
    try:
        table = load_json(path.read_bytes())
    except FileNotFoundError:
        return None
    return ServerRequest(dict(table["env"]), tuple(table["args"]))
