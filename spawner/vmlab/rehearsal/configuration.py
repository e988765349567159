"""The commands that bring files, cloud-init's user data and an Ansible playbook to machines. Pure.

All of it goes through `RunsCommands`: a machine needs no way to its host for it, no SSH, no share.
"""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from vmlab.errors import ConfigError
from vmlab.model import MachineRole
from vmlab.rehearsal.description import ROOT, Copy

FOLDER: Final = "/var/lib/vmlab/rehearsal"
"""Where a machine keeps what a rehearsal brings to it for its own use."""

USER_DATA: Final = f"{FOLDER}/user-data"
MAX_COPY_BYTES: Final = 16 * 1024 * 1024
"""Of one file or folder, packed: what is larger belongs into an image."""

_CHUNK_BYTES: Final = 60_000  # 80,000 characters as base64: within `MAX_COMMAND_BYTES`
_TRAINEE: Final = "trainee"
_SKIPPED: Final = frozenset({"__pycache__", ".git", ".ipynb_checkpoints"})
_GROUPS: Final = {
    MachineRole.DESK: "desks",
    MachineRole.NODE: "nodes",
    MachineRole.SERVER: "servers",
}

_CLOUD_INIT: Final = """\
set -e
seed=/var/lib/cloud/seed/nocloud
mkdir -p $seed /etc/cloud/cloud.cfg.d
cp {user_data} $seed/user-data
echo 'instance-id: {instance}' >$seed/meta-data
cat >/etc/cloud/cloud.cfg.d/99-vmlab.cfg <<'END'
# Who this machine is, and its network, is VMLab's affair.
datasource_list: [NoCloud]
network: {{config: disabled}}
preserve_hostname: true
ssh_deletekeys: false
END
cloud-init clean --logs
cloud-init init --local
cloud-init init
cloud-init modules --mode=config
cloud-init modules --mode=final
python3 -c '
import json, sys
errors = json.load(open("/var/lib/cloud/data/result.json"))["v1"]["errors"]
sys.exit("\\n".join(errors) if errors else 0)'
"""


def run_as(user: str, command: str) -> str:
    """Return the command that runs another one as this user, as after a log-in."""
    return command if user == ROOT else f"runuser -l {shlex.quote(user)} -c {shlex.quote(command)}"


def make_copy(copy: Copy) -> Iterator[str]:
    """Yield the commands that bring a file or a folder to a machine; again: it is replaced.

    Raises:
        ConfigError: it cannot be read, or is too large.
    """
    packed = _pack(copy)
    ours, part = shlex.quote(FOLDER), shlex.quote(f"{FOLDER}/part.b64")
    yield f"mkdir -p {ours} && chmod 711 {ours} && : >{part} && chmod 600 {part}"
    for at in range(0, len(packed), _CHUNK_BYTES):
        chunk = base64.b64encode(packed[at : at + _CHUNK_BYTES]).decode()
        yield f"echo {chunk} >>{part}"
    target = copy.target.rstrip("/") or "/"
    folder = target if copy.source.is_dir() else str(Path(target).parent)
    place, owner = shlex.quote(folder), shlex.quote(copy.owner)
    made = f"install -d -o {owner} -g {owner} {place}"  # those above it are root's
    unpack = f"base64 -d {part} | tar -xz -o --no-same-permissions -C {place}"
    give = "" if copy.owner == ROOT else f" && chown -R {owner}: {shlex.quote(target)}"
    yield f"set -e; test -d {place} || {made}; {unpack}{give}; rm {part}"


def _pack(copy: Copy) -> bytes:
    """Return it as tar.gz; links and devices are left out."""

    def take(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not (info.isfile() or info.isdir()) or _SKIPPED & set(Path(info.name).parts):
            return None
        info.uid = info.gid = 0
        info.uname = info.gname = ROOT
        return info

    packed = io.BytesIO()
    inner = "." if copy.source.is_dir() else Path(copy.target).name
    try:
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(copy.source, inner, filter=take)
    except OSError as error:
        raise ConfigError(f"{copy.source} cannot be read: {error.strerror or error}") from error
    if packed.tell() > MAX_COPY_BYTES:
        most = MAX_COPY_BYTES // 2**20
        raise ConfigError(
            f"{copy.source} has {packed.tell() // 2**20} MiB when packed; at most {most} MiB are "
            "brought to a machine",
            hint="put what is larger into the image (docs/trainer.md)",
        )
    return packed.getvalue()


def apply_user_data(instance: str) -> str:
    """Return the command that applies the user data that was brought to USER_DATA.

    By cloud-init, where the image has it; else by the agent's own reader of its plainest parts.

    Args:
        instance: letters, digits and dashes; another one is applied from the beginning.
    """
    cloud_init = shlex.quote(_CLOUD_INIT.format(user_data=USER_DATA, instance=instance))
    own = f"/opt/vmlab/bin/python -m vmlab_guest.user_data {USER_DATA}"
    return f"if command -v cloud-init >/dev/null; then exec sh -c {cloud_init}; else exec {own}; fi"


def make_inventory(machines: Mapping[str, MachineRole], run_from: str) -> str:
    """Return Ansible's inventory: all machines of the trainee, by their names in the network.

    The event's server is not among them: it is nobody's to configure from a trainee's machine.
    """
    lines = []
    for role, group in _GROUPS.items():
        members = sorted(name for name, its in machines.items() if its is role)
        if role is MachineRole.SERVER or not members:
            continue
        lines.append(f"[{group}]")
        for name in members:
            local = " ansible_connection=local" if name == run_from else ""
            lines.append(f"{name} ansible_host={name}{local}")
        lines.append("")
    lines += ["[all:vars]", f"ansible_user={_TRAINEE}", "ansible_become=true"]
    return "\n".join([*lines, "ansible_python_interpreter=/usr/bin/python3", ""])


def run_playbook(folder: str, playbook: str, inventory: str) -> str:
    """Return the command that runs a playbook of this folder, as the machine's trainee."""
    hint = "ansible-playbook is not there: put ansible-core into the packages of the image"
    words = f"cd {shlex.quote(folder)} && ansible-playbook -i ../hosts {shlex.quote(playbook)}"
    return "\n".join(
        [
            "set -e",
            f"command -v ansible-playbook >/dev/null || {{ echo {shlex.quote(hint)}; exit 127; }}",
            f"printf %s {shlex.quote(inventory)} >{shlex.quote(f'{folder}/../hosts')}",
            f"chmod 644 {shlex.quote(f'{folder}/../hosts')}",
            f"exec {run_as(_TRAINEE, words)}",
        ]
    )
