"""Checks of "Who am I?": user and machine, root's rights, and the disk of the home."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

from lab import Outcome, failed, passed, step
from lab.look import mount_source

MARK = Path("/etc/first-steps.conf")


@step("user")
def user(user_name: object, host_name: object) -> Outcome:
    """Compare both names with what the machine says."""
    name = pwd.getpwuid(os.getuid()).pw_name
    host = socket.gethostname()
    given, given_host = str(user_name).strip(), str(host_name).strip()
    if not given or not given_host:
        return failed(
            "Both answers are needed: what `whoami` prints and what `hostname` prints.",
            "Il faut les deux réponses : ce qu'affiche `whoami` et ce qu'affiche `hostname`.",
        )
    if given == host and given_host == name:
        return failed(
            "The two are swapped: `whoami` names the user, `hostname` the machine.",
            "Les deux sont inversés : `whoami` nomme l'utilisateur, `hostname` la machine.",
        )
    if given == "root" != name:
        return failed(
            "`root` is the administrator. You are somebody else until you write `sudo`: "
            "run `whoami` without it.",
            "`root` est l'administrateur. Sans `sudo`, vous êtes quelqu'un d'autre : "
            "lancez `whoami` seul.",
        )
    if given != name and given == os.environ.get("JUPYTERHUB_USER"):
        return failed(
            f"`{given}` is your name in the hub, outside. Inside the machine `whoami` says "
            "another one.",
            f"`{given}` est votre nom dans le hub, à l'extérieur. Dans la machine, `whoami` en "
            "donne un autre.",
        )
    if given != name:
        return failed(
            f"This machine knows you by another name than `{given}`. Run `!whoami` in a cell.",
            f"Cette machine ne vous connaît pas sous le nom `{given}`. Lancez `!whoami` dans une "
            "cellule.",
        )
    if given_host.startswith("localhost"):
        return failed(
            "`localhost` is what every machine calls itself. Yours has a name of its own: "
            "`hostname`.",
            "`localhost` est le nom que toute machine se donne. La vôtre a un nom à elle : "
            "`hostname`.",
        )
    if given_host.partition(".")[0] != host.partition(".")[0]:
        return failed(
            f"The user is right. The machine is not called `{given_host}`: run `!hostname`.",
            f"L'utilisateur est juste. La machine ne s'appelle pas `{given_host}` : lancez "
            "`!hostname`.",
        )
    return passed(
        f"You are `{name}` on `{host}`.",
        f"Vous êtes `{name}` sur `{host}`.",
    )


@step("sudo")
def sudo() -> Outcome:
    """Look for root's file, and for where it usually ends up by mistake."""
    if not MARK.exists():
        return _why_missing()
    if MARK.stat().st_uid != 0:
        return failed(
            f"`{MARK}` belongs to you. Leave it to root: `sudo chown root:root {MARK}`.",
            f"`{MARK}` vous appartient. Rendez-le à root : `sudo chown root:root {MARK}`.",
        )
    if MARK.stat().st_mode & 0o022:
        return failed(
            f"Everybody may write to `{MARK}`. Only root should: `sudo chmod 644 {MARK}`.",
            f"Tout le monde peut écrire dans `{MARK}`. Seul root le devrait : "
            f"`sudo chmod 644 {MARK}`.",
        )
    if not MARK.read_text(errors="replace").strip():
        return failed(
            f"`{MARK}` is there but empty. With `sudo echo ... > file` the words are lost: give "
            "them to `sudo tee`.",
            f"`{MARK}` existe mais il est vide. Avec `sudo echo ... > fichier` le texte est "
            "perdu : donnez-le à `sudo tee`.",
        )
    return passed(
        "It belongs to root, everybody can read it, and only root can change it.",
        "Il appartient à root, tout le monde peut le lire, et seul root peut le modifier.",
    )


def _why_missing() -> Outcome:
    for place in (Path.home() / MARK.name, Path.cwd() / MARK.name, Path("/tmp") / MARK.name):
        if place.exists():
            return failed(
                f"You wrote `{place}`. The settings of a machine are in `/etc`: `{MARK}`.",
                f"Vous avez écrit `{place}`. Les réglages d'une machine sont dans `/etc` : "
                f"`{MARK}`.",
            )
    return failed(
        f"`{MARK}` does not exist. If you saw “Permission denied”: in `sudo echo ... > {MARK}` "
        "it is your own shell, not root, that opens the file. `tee` can open it for you, as "
        f"root: `echo ... | sudo tee {MARK}`.",
        f"`{MARK}` n'existe pas. Si vous avez vu « Permission denied » : dans "
        f"`sudo echo ... > {MARK}`, c'est votre shell, pas root, qui ouvre le fichier. `tee` peut "
        f"l'ouvrir pour vous, en tant que root : `echo ... | sudo tee {MARK}`.",
    )


@step("home")
def home(device: object) -> Outcome:
    """Compare with the device that the kernel mounted at the home."""
    given = str(device).strip()
    real = mount_source(str(Path.home()))
    root = mount_source("/")
    if not given:
        return failed(
            "Run `!df -h ~` and look at the first column.",
            "Lancez `!df -h ~` et regardez la première colonne.",
        )
    if given in {real, os.path.realpath(real), real.removeprefix("/dev/")}:
        return passed(
            f"Your home is on `{real}`, the system on `{root}`. What you save in your home stays "
            "when the system is renewed.",
            f"Vos données sont sur `{real}`, le système sur `{root}`. Ce que vous gardez dans "
            "votre dossier personnel reste quand le système est renouvelé.",
        )
    if given == str(Path.home()) or given == "~":
        return failed(
            f"`{given}` is the folder. Which device holds it? First column of `!df -h ~`.",
            f"`{given}` est le dossier. Quel périphérique le contient ? Première colonne de "
            "`!df -h ~`.",
        )
    if given == root:
        return failed(
            f"`{given}` holds the system (`/`). Ask for your home: `!df -h ~`.",
            f"`{given}` contient le système (`/`). Demandez pour votre dossier : `!df -h ~`.",
        )
    if given in {"tmpfs", "udev", "devtmpfs"}:
        return failed(
            f"`{given}` is not a disk: it is in memory and is gone when the machine stops.",
            f"`{given}` n'est pas un disque : il est en mémoire et disparaît à l'arrêt.",
        )
    if given.startswith("/dev/") and not Path(given).exists():
        return failed(
            f"There is no `{given}` in this machine. `!lsblk` shows its disks.",
            f"Il n'y a pas de `{given}` dans cette machine. `!lsblk` montre ses disques.",
        )
    return failed(
        f"Your home is not on `{given}`. Look at the first column of `!df -h ~`.",
        f"Votre dossier n'est pas sur `{given}`. Regardez la première colonne de `!df -h ~`.",
    )
