"""Keys between a trainee's own machines: one for each, made here and handed over in its seed.

A key lets its machine in at the others of the same trainee, as `trainee` and root. It stays over
all starts of the machine; a new machine has a new one, and that of the one before opens nothing.
Who is let in is told to the others with the trainee's own public keys (`vmlab.ssh.keys`).

    STATE/ssh/kin/MACHINE    JSON, mode 0600
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vmlab.errors import HostError
from vmlab.groups.facts import Group
from vmlab.providers.agent.identity import make_key_pair
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json
from vmlab_protocol.seed import KinHost

_making = threading.Lock()


@dataclass(frozen=True)
class KinKey:
    """The key of one machine."""

    private: str = field(repr=False)  # OpenSSH, ed25519
    public: str  # a line of authorized_keys


class KinKeys:
    """The keys of all machines that have others beside them.

    Args:
        folder: of the hub's keys for SSH (`Paths.ssh`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "kin"

    def prepare(self, machines: Iterable[str], new: Collection[str]) -> bool:
        """Make what is missing; return whether anything changed.

        Args:
            machines: those of one trainee.
            new: those of them that have never run: what is kept of one before is replaced.

        Raises:
            HostError: a key cannot be written.
        """
        with _making:  # two nodes may be restarted at the same time
            missing = [name for name in machines if name in new or self.find(name) is None]
            try:
                for name in missing:
                    self._make(name)
            except OSError as error:
                raise HostError(
                    f"the keys between machines cannot be written in {self._folder}: {error}",
                    hint="check free space and who owns the state folder",
                ) from error
        return bool(missing)

    def _make(self, machine: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = KinKey(*make_key_pair(f"vmlab {machine}"))
        write_atomic(self._folder / machine, json.dumps(asdict(made)).encode())

    def find(self, machine: str) -> KinKey | None:
        """Return the key of a machine; None: it has none, or a damaged one, which is made again.

        Raises:
            HostError: it cannot be read.
        """
        try:
            return as_facts(KinKey, load_json((self._folder / machine).read_bytes()))
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise HostError(f"{self._folder / machine} cannot be read: {error}") from error

    def lines(self, machines: Iterable[str]) -> tuple[str, ...]:
        """Return the public keys of these machines, of those that have one; raises as `find`."""
        return tuple(key.public for key in map(self.find, machines) if key)


def is_kin(group: Group) -> bool:
    """Tell whether a trainee's machines reach each other: there are several, in a network. Pure."""
    return len(group.own) > 1 and group.desk.spec.card is not None


def make_hosts(group: Group) -> tuple[KinHost, ...]:
    """Return by which names the trainee's machines know each other. Pure."""
    return tuple(
        KinHost(member.spec.name, (*card.own_names, *card.names))
        for member in group.own
        if (card := member.spec.card)
    )
