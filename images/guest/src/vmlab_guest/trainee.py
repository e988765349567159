"""Becoming the trainee and its single-user server, in a process that the zygote forked."""

from __future__ import annotations

import os
import pwd
import random
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from vmlab_guest.libc import set_process
from vmlab_guest.server_request import RUNTIME
from vmlab_guest.system import TRAINEE
from vmlab_protocol.machine import HOME, TRAINEE_UID

PROGRAM = "/opt/vmlab/bin/jupyterhub-singleuser"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/vmlab/bin"
_READ_AT_IMPORT = frozenset(
    {
        "JUPYTERHUB_SSL_KEYFILE",
        "JUPYTERHUB_SSL_CERTFILE",
        "JUPYTERHUB_SSL_CLIENT_CA",
        "JUPYTERHUB_ALLOW_TOKEN_IN_URL",
        "JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH",
        "JUPYTERHUB_SINGLEUSER_APP",
        "JUPYTERHUB_SINGLEUSER_EXTENSION",
        "JUPYTERHUB_SINGLEUSER_LOAD_OTHER_EXTENSIONS",
        "JUPYTERHUB_XSRF_ANONYMOUS_IP_CIDRS",
        "JUPYTERHUB_XSRF_ANONYMOUS_ID_HEADERS",
    }
)


def make_environment(env: Mapping[str, str], home: str = HOME) -> dict[str, str]:
    """Return the whole environment of a server: the seed's, and what every login has."""
    own = {
        "HOME": home,
        "USER": TRAINEE,
        "LOGNAME": TRAINEE,
        "SHELL": "/bin/bash",
        "PATH": PATH,
        "LANG": "C.UTF-8",
        # systemctl would write file names as links of terminals, which no notebook can show.
        "SYSTEMD_URLIFY": "0",
        "JUPYTER_RUNTIME_DIR": str(RUNTIME),
    }
    return {**own, **env}


def needs_fresh_python(env: Mapping[str, str]) -> bool:
    """Return whether the environment sets what JupyterHub reads while it is imported.

    ref: jupyterhub 6.1, services/auth.py, class HubAuth; singleuser/__init__.py; _xsrf_utils.py
    """
    return any(env.get(name) for name in _READ_AT_IMPORT)


def make_arguments(env: Mapping[str, str], args: Sequence[str]) -> list[str]:
    """Return the server's arguments with the one that cures what was imported too early.

    `HubAuth.base_url` is read from the environment while its class is made. Without it the login
    cookie would be valid for every trainee's server.
    """
    name = "--HubOAuth.base_url="
    if any(arg.startswith(name) for arg in args):
        return list(args)
    return [*args, f"{name}{env.get('JUPYTERHUB_SERVICE_PREFIX') or '/'}"]


def become_trainee(folder: str = HOME) -> None:
    """Turn this process, which is root's, into one of the trainee's for good.

    Raises:
        OSError, KeyError: the system refused; the process must end.
    """
    account = pwd.getpwnam(TRAINEE)
    os.setsid()
    os.umask(0o022)
    # The zygote is spared when memory is short; what it turns into is not.
    Path("/proc/self/oom_score_adj").write_text("0", encoding="ascii")
    os.initgroups(TRAINEE, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    set_process("jupyterhub-singleuser")
    os.chdir(folder)


def open_home(home: Path = Path(HOME)) -> bool:
    """Make sure that the trainee may enter the home and write there; tell whether it was not so.

    A wrong `sudo chown` would prevent the server, and with it the lab in which to undo it.

    Raises:
        OSError: there is none, or the file system refused.
    """
    status = home.stat()
    if status.st_uid == TRAINEE_UID and status.st_mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    os.chown(home, TRAINEE_UID, TRAINEE_UID)
    home.chmod(stat.S_IMODE(status.st_mode) | stat.S_IRWXU)
    return True


def run_server(env: Mapping[str, str], args: Sequence[str]) -> int:
    """Be the single-user server until it ends; return its exit code."""
    arguments = make_arguments(env, args)
    if needs_fresh_python(env):
        os.execve(PROGRAM, [PROGRAM, *arguments], dict(env))  # noqa: S606 - no shell, on purpose
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    random.seed()
    sys.argv = [PROGRAM, *arguments]
    from jupyterhub.singleuser import main  # noqa: PLC0415 - imported long ago by the zygote

    main()
    return 0
