"""SSH keys that people give us."""

from __future__ import annotations

from fuzz.target import check, check_text, target
from vmlab.errors import ConfigError
from vmlab.ssh_keys import check_public_key


@target("ssh-key", ConfigError, parsers=("vmlab.ssh_keys:check_public_key",))
def ssh_key(data: bytes) -> None:
    line = check_public_key(data.decode("utf-8", "surrogateescape"))
    check_text(line)
    check(len(line.split(" ")) == 2 and check_public_key(line) == line, line)
