"""`/hub/vmlab/ssh`: keys, and the lines to paste; and the program that they fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterhub.handlers import BaseHandler
from tornado import web

from vmlab.errors import LabError
from vmlab.groups.rules import GroupRules
from vmlab.hub.kept_state import kept_machine
from vmlab.lab.start_order import DESK
from vmlab.ssh import program
from vmlab.ssh.host_key import AUTHORITY, read_public_key_of
from vmlab.ssh.targets import HUB, server_hosts
from vmlab.web.api.runtime import ApiSettings

PROGRAM = "vmlab-ssh.py"


@dataclass(frozen=True)
class SshAddress:
    """Where the jump host is, for those outside."""

    url: str  # the hub's, with a slash at the end
    host: str  # its name in that
    port: int  # of SSH's own; 0: none


@dataclass(frozen=True)
class HostKeys:
    """What is told of host keys, each a type and base64."""

    hub: str
    authority: str  # signs those of all machines
    machines: Mapping[str, str]  # by host name, the names that the certificates are for

    @property
    def words(self) -> list[str]:
        """As the program takes them (`vmlab.ssh.program`)."""
        machines = "+".join(f"{host}={machine}" for host, machine in self.machines.items())
        words = (f"{HUB} {self.hub}", f"{machines} {self.authority}")
        return [word.replace(" ", ":") for word in words]

    @property
    def lines(self) -> list[str]:
        """As in known_hosts."""
        signed = ",".join(self.machines.values())
        return [f"{HUB} {self.hub}", f"@cert-authority {signed} {self.authority}"]


class SshPage(BaseHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """The page of whoever is logged in, about their own machines only."""

    def initialize(self, lab: ApiSettings, address: SshAddress) -> None:
        """Take what `setup_api` passes."""
        self.lab_settings = lab
        self.address = address

    @web.authenticated
    async def get(self) -> None:
        """Show it."""
        user = self.current_user
        machines = find_hosts(self.lab_settings.groups, user.orm_user)
        keys = await self._host_keys(machines)
        hub = self.address.url.rstrip("/") + self.hub.base_url
        page: dict[str, Any] = {
            "others": [host for host in machines if host != DESK],
            "known_hosts": keys.lines,
            "words": " ".join(setup_words(hub, user.name, keys)),
            "port_words": " ".join(port_words(self.address, user.name, keys)),
            "program_url": f"{hub}vmlab/ssh/{PROGRAM}",
            "socket_url": f"{hub}ssh",
            "ssh_port": self.address.port,
        }
        self.finish(await self.render_template("vmlab_ssh.html", user=user, **page))

    async def _host_keys(self, machines: Mapping[str, str]) -> HostKeys:
        folder = self.lab_settings.paths.ssh
        try:
            hub = await asyncio.to_thread(read_public_key_of, folder)
            authority = await asyncio.to_thread(read_public_key_of, folder, AUTHORITY)
        except LabError as error:
            raise web.HTTPError(503, "the hub has no keys for SSH yet") from error
        return HostKeys(hub, authority, machines)


class SshProgram(web.RequestHandler):
    """The program for trainees' own computers, which is the same for everybody."""

    async def get(self) -> None:
        """Send it."""
        text = await asyncio.to_thread(Path(program.__file__).read_bytes)
        self.set_header("Content-Type", "text/x-python; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{PROGRAM}"')
        self.set_header("Cache-Control", "no-cache")
        self.finish(text)


def find_hosts(rules: GroupRules, user: Any) -> dict[str, str]:
    """Return a user's machines by the host names that they are reached by; none need exist yet.

    Args:
        rules: which machines everybody has.
        user: of the hub's database: machines of an account that was renamed keep their names.
    """
    desk = kept_machine(user, user.name)
    named = server_hosts(rules, sorted(filter(None, user.orm_spawners)))
    servers = {host: kept_machine(user, user.name, name) for host, name in named.items()}
    return {DESK: desk, **rules.node_machines(desk), **servers}


def setup_words(hub: str, user: str, keys: HostKeys) -> list[str]:
    """Return what is to be said to the program. Pure."""
    return ["setup", f"{hub}ssh", user, *keys.words]


def port_words(address: SshAddress, user: str, keys: HostKeys) -> list[str]:
    """Return the same where the hub has a port for SSH, else nothing. Pure."""
    if not address.port:
        return []
    return ["setup", f"ssh://{address.host}:{address.port}", user, *keys.words]
