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
from vmlab.lab.start_order import DESK
from vmlab.providers.base import ReachesSsh
from vmlab.ssh import program
from vmlab.ssh.host_key import read_public_key_of
from vmlab.ssh.targets import own_machines
from vmlab.system.background import apart
from vmlab.web.api.runtime import ApiSettings, get_runtime

PROGRAM = "vmlab-ssh.py"


@dataclass(frozen=True)
class SshAddress:
    """Where the jump host is, for those outside."""

    url: str  # the hub's, with a slash at the end
    host: str  # its name in that
    port: int  # of SSH's own; 0: none


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
        machines = own_machines(self.lab_settings.groups, user.name)
        keys = await self._host_keys(machines)
        hub = self.address.url.rstrip("/") + self.hub.base_url
        page: dict[str, Any] = {
            "is_known": keys.keys() >= machines.keys(),
            "nodes": [host for host in machines if host != DESK],
            "host_keys": keys,
            "words": " ".join(setup_words(hub, user.name, keys)),
            "port_words": " ".join(port_words(self.address, user.name, keys)),
            "program_url": f"{hub}vmlab/ssh/{PROGRAM}",
            "socket_url": f"{hub}ssh",
            "ssh_port": self.address.port,
        }
        self.finish(await self.render_template("vmlab_ssh.html", user=user, **page))

    async def _host_keys(self, machines: Mapping[str, str]) -> dict[str, str]:
        """Return the public host keys of the hub and of those machines that have run before."""
        provider = get_runtime(self.lab_settings).provider
        keys = {}
        try:
            keys["vmlab-hub"] = await asyncio.to_thread(
                read_public_key_of, self.lab_settings.paths.ssh
            )
        except LabError as error:
            raise web.HTTPError(503, "the jump host has no key yet") from error
        for host, machine in machines.items():
            with apart(f"{machine}: its SSH host key cannot be shown"):
                if isinstance(provider, ReachesSsh) and (
                    key := await asyncio.to_thread(provider.ssh_host_key, machine)
                ):
                    keys[host] = " ".join(key.split()[:2])
        return keys


class SshProgram(web.RequestHandler):
    """The program for trainees' own computers, which is the same for everybody."""

    async def get(self) -> None:
        """Send it."""
        text = await asyncio.to_thread(Path(program.__file__).read_bytes)
        self.set_header("Content-Type", "text/x-python; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{PROGRAM}"')
        self.set_header("Cache-Control", "no-cache")
        self.finish(text)


def setup_words(hub: str, user: str, keys: dict[str, str]) -> list[str]:
    """Return what is to be said to the program. Pure."""
    return ["setup", f"{hub}ssh", user, *_known(keys)]


def port_words(address: SshAddress, user: str, keys: dict[str, str]) -> list[str]:
    """Return the same where the hub has a port for SSH, else nothing. Pure."""
    if not address.port:
        return []
    return ["setup", f"ssh://{address.host}:{address.port}", user, *_known(keys)]


def _known(keys: dict[str, str]) -> list[str]:
    return [f"{host}:{key.replace(' ', ':')}" for host, key in keys.items()]
