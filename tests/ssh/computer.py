"""A trainee's own computer: a home folder, keys, and what the page's lines wrote there.

OpenSSH takes its user's home from the system and not from $HOME, so the settings that the program
wrote are used with `-F`, with the folder's path in place of `~/.ssh`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen

import requests
from bs4 import BeautifulSoup

from hub.running_hub import PROJECT, RunningHub

UNPACKED = PROJECT / ".venv" / "debian" / "usr"  # scripts/bootstrap dev
SSHD = UNPACKED / "sbin" / "sshd"
LIMIT_S = 120


class Computer:
    """One computer.

    Args:
        folder: empty; becomes the home folder.
        hub: where the account is.
        user: the account.
    """

    def __init__(self, folder: Path, hub: RunningHub, user: str) -> None:
        self.home = folder
        self.hub = hub
        self.user = user
        (folder / ".ssh").mkdir(mode=0o700, parents=True)
        self.key = self.make_key("id_ed25519")

    # -- keys --------------------------------------------------------------------------------------

    def make_key(self, name: str, *words: str) -> Path:
        """Make a pair of keys; return the private one's file."""
        path = self.home / ".ssh" / name
        command = ["ssh-keygen", "-q", "-N", "", "-C", f"{self.user}@home", "-f", str(path)]
        subprocess.run([*command, *(words or ("-t", "ed25519"))], check=True)
        return path

    def public(self, key: Path | None = None) -> str:
        """The public half, as it is pasted."""
        return (key or self.key).with_suffix(".pub").read_text()

    def register(self, key: Path | None = None) -> tuple[str, str]:
        """Register a key; return its fingerprint and its id for a path."""
        token = self.hub.user_token(self.user)
        body = {"key": self.public(key)}
        answer = self.hub.api("POST", "vmlab/ssh/keys", token=token, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["fingerprint"]), str(answer.json()["id"])

    # -- settings ----------------------------------------------------------------------------------

    def set_up(self, *, port: bool = False) -> None:
        """Do what the page's lines do: the program is fetched, and writes the settings."""
        lines = self.page_lines()
        program = self.home / ".ssh" / "vmlab-ssh.py"
        url = next(line for line in lines if line.startswith("curl ")).split()[-1]
        answer = requests.get(self._reachable(url), timeout=LIMIT_S)
        answer.raise_for_status()
        program.write_bytes(answer.content)
        scheme = "ssh://" if port else "http"
        line = next(each for each in lines if " setup " in each and f"setup {scheme}" in each)
        words = shlex.split(self._reachable(line.partition(" setup ")[2]))
        self.run(sys.executable, str(program), "setup", *words).check_returncode()
        settings = (self.home / ".ssh/vmlab/config").read_text()
        own = (
            f"Host *\n    IdentityFile {self.key}\n    IdentitiesOnly yes\n    ConnectTimeout 60\n"
        )
        own += "    NumberOfPasswordPrompts 3\n"
        (self.home / "config").write_text(settings.replace("~/.ssh", str(self.home / ".ssh")) + own)

    def page_lines(self) -> list[str]:
        """All lines to paste that the page SSH shows."""
        session = self.hub.login(self.user)
        page = session.get(f"{self.hub.base_url}/hub/vmlab/ssh", timeout=LIMIT_S)
        page.raise_for_status()
        document = BeautifulSoup(page.text, "html5lib")
        return [code.get_text() for code in document.select(".vm-line code")]

    def _reachable(self, text: str) -> str:
        """A test's hub has a name that browsers know, and this program's system perhaps not."""
        name = self.hub.base_url.partition("://")[2].rpartition(":")[0]
        return text.replace(name, "127.0.0.1")

    # -- programs ----------------------------------------------------------------------------------

    def environment(self, password: str = "") -> dict[str, str]:
        """What programs are started with; with a password for ssh to ask for."""
        found = {"HOME": str(self.home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        found["LD_LIBRARY_PATH"] = str(next(UNPACKED.glob("lib/*-linux-gnu")))
        if password:
            ask = self.home / "ask"
            ask.write_text(f"#!/bin/sh\necho {shlex.quote(password)}\n")
            ask.chmod(0o700)
            found |= {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        return found

    def run(self, *words: str, password: str = "", said: bytes = b"") -> CompletedProcess[bytes]:
        """Run a program to its end."""
        environment = self.environment(password)
        return subprocess.run(
            words, env=environment, input=said, capture_output=True, timeout=LIMIT_S, check=False
        )

    def ssh(self, *words: str, password: str = "", said: bytes = b"") -> CompletedProcess[bytes]:
        """Run ssh with these words, of which the first ones may be options."""
        return self.run("ssh", "-F", str(self.config), *words, password=password, said=said)

    def begin(self, *words: str) -> Popen[bytes]:
        """Begin ssh; whoever began it ends it."""
        command = ["ssh", "-F", str(self.config), *words]
        return Popen(command, env=self.environment(), stdin=PIPE, stdout=PIPE, stderr=PIPE)

    @property
    def config(self) -> Path:
        """The settings of ssh."""
        return self.home / "config"

    def change_config(self, pattern: str, text: str) -> None:
        """Write something else into the settings."""
        changed, count = re.subn(pattern, text, self.config.read_text())
        assert count, pattern
        self.config.write_text(changed)
