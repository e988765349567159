"""The environment of programs that VMLab starts: what they need, and nothing else.

The hub's own contains secrets: the proxy's token, keys of its database, whatever an operator
exports. A program that gets none of them cannot leak them, even if it is compromised.
"""

from __future__ import annotations

import os
import re

_DOWNLOADS = re.compile(
    # network proxies
    r"(https?|ftp|all|no)_proxy"
    # trusted authorities, and our own identity
    r"|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC"
    # configuration of pip and apt, and where their files are
    r"|PIP_\w+|APT_CONFIG|HOME|XDG_(CONFIG|CACHE)_HOME|XDG_CONFIG_DIRS",
    re.IGNORECASE,
)


def program_path() -> str:
    """Return where programs are looked for: mke2fs and ip are not on every user's path."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def tool_environment(*kept: str, **more: str) -> dict[str, str]:
    """Return the environment of a program.

    Args:
        kept: names of variables of ours that it needs too; those that are not set are skipped.
        more: further variables.
    """
    ours = {name: os.environ[name] for name in ("TMPDIR", *kept) if name in os.environ}
    return {**ours, "PATH": program_path(), "LC_ALL": "C.UTF-8", **more}


def download_environment() -> dict[str, str]:
    """Return the environment of a program that fetches packages as this host is set up to."""
    return tool_environment(*(name for name in os.environ if _DOWNLOADS.fullmatch(name)))


def keep_only(*names: str) -> list[str]:
    """Return the words to put before a command so that it gets none of the other variables.

    For a program that somebody else starts, with all of them. No value appears on a command line.
    """
    return ["env", *(f"--unset={name}" for name in sorted(os.environ) if name not in names)]
