"""Finishing an image's tree, from inside: runs in the chroot, as root, with the image's Python.

Standard library only; `build` copies it to /vmlab-build with `job.json`, the wheels and the
recipe's files (already laid out in /). It decides nothing: every value is in the job. Any failure
ends the build.

    chroot TREE python3 /vmlab-build/inside.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

WORK = Path("/vmlab-build")
"""Where the builder put what is needed here; removed at the end."""


def run(*command: str, env: dict[str, str] | None = None) -> None:
    """Run a program; its failure is the build's."""
    subprocess.run(command, check=True, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)


def say(message: str) -> None:
    """Tell the builder what begins."""
    print(f"vmlab: {message}", flush=True)  # noqa: T201 - the builder reads these lines


def make_user(name: str, uid: int) -> None:
    """Make the trainee's account: its own group, bash, /etc/skel, no password."""
    run("groupadd", "--gid", str(uid), name)
    run("useradd", "--uid", str(uid), "--gid", str(uid), "--create-home", "--shell", "/bin/bash",
        name)  # fmt: skip
    run("usermod", "--lock", name)
    run("usermod", "--append", "--groups", "systemd-journal,adm", name)
    for sudoers in Path("/etc/sudoers.d").iterdir():
        sudoers.chmod(0o440)
    run("visudo", "--check", "--quiet")


def install_python(python: dict[str, Any]) -> None:
    """Make the virtual environment from the wheels at hand; nothing is downloaded."""
    venv = python["path"]
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    if found != python["version"]:
        raise SystemExit(f"the image has Python {found}, the lock is for {python['version']}")
    keep = {path for path in Path(venv).rglob("*") if path.is_file()} if Path(venv).exists() else ()
    run(sys.executable, "-m", "venv", venv)
    missing = [str(path) for path in keep if not path.is_file()]
    if missing:
        raise SystemExit(f"venv removed files of the recipe: {missing}")
    pip = [f"{venv}/bin/pip", "install", "--no-index", "--no-deps", "--no-compile",
           "--no-cache-dir", "--root-user-action=ignore", "--disable-pip-version-check", "--quiet",
           f"--find-links={WORK}/wheels"]  # fmt: skip
    run(*pip, "--require-hashes", f"--requirement={WORK}/requirements.lock")
    for name in python["local"]:
        run(*pip, name)
    # Unchecked: the files never change, and comparing times costs a stat each at every import.
    run(f"{venv}/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
        f"{venv}/lib")  # fmt: skip


def set_units(units: dict[str, list[str]], agent_units: list[str]) -> None:
    """Install the agent's units and say what runs at boot."""
    for name in agent_units:
        shutil.copyfile(WORK / "units" / name, Path("/etc/systemd/system") / name)
        if "[Install]" in (WORK / "units" / name).read_text(encoding="utf-8"):
            run("systemctl", "enable", name)
    for verb in ("enable", "disable", "mask"):
        if units[verb]:
            run("systemctl", verb, *units[verb])
    masked = Path("/etc/systemd/system-generators")
    masked.mkdir(exist_ok=True)
    for name in units["mask_generators"]:
        (masked / name).symlink_to("/dev/null")


def make_initrds(modules: list[str]) -> None:
    """Make the initial file system with exactly these modules, and Debian's own, for any host."""
    versions = [path.name for path in Path("/lib/modules").iterdir() if path.is_dir()]
    if len(versions) != 1:
        raise SystemExit(f"expected one kernel in the image, found {versions}")
    config = Path("/etc/initramfs-tools")
    (config / "conf.d" / "vmlab").write_text("MODULES=list\nCOMPRESS=zstd\n", encoding="utf-8")
    (config / "modules").write_text("".join(f"{m}\n" for m in modules), encoding="utf-8")
    run("update-initramfs", "-c", "-k", versions[0])
    # With a configuration of its own: the hooks in /etc are made for one kind of machine.
    generic = WORK / "initramfs-tools"
    for name in ("conf.d", "hooks", "scripts"):
        (generic / name).mkdir(parents=True)
    (generic / "initramfs.conf").write_text("MODULES=most\nCOMPRESS=zstd\n", encoding="utf-8")
    (generic / "modules").touch()
    run("mkinitramfs", "-d", str(generic), "-o", f"/boot/initrd-generic-{versions[0]}", versions[0])


def hold(package: str) -> None:
    """Keep the kernel as it is: the machine is started with the image's copy, not the disk's."""
    held = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\n", "linux-image-*"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    run("apt-mark", "hold", *[name for name in held if name == package or "-6." in name])


def clean(sources: list[str]) -> None:
    """Remove what must not be shared by machines, and what only the build needed."""
    for pattern in ("etc/ssh/ssh_host_*", "var/lib/systemd/random-seed", "etc/resolv.conf",
                    "etc/*-", "var/lib/dbus/machine-id", "var/log/*.log", "var/log/apt/*",
                    "var/lib/apt/lists/*_*", "var/cache/debconf/*-old", "root/.cache",
                    "var/lib/dpkg/*-old", "var/cache/ldconfig/aux-cache",
                    "etc/apt/apt.conf.d/99mmdebstrap"):  # fmt: skip
        for path in Path("/").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    Path("/etc/machine-id").write_text("", encoding="ascii")
    Path("/etc/resolv.conf").write_text("", encoding="ascii")
    Path("/etc/apt/sources.list").write_text("".join(f"{s}\n" for s in sources), encoding="utf-8")
    # systemd would rebuild its caches at every first boot (systemd-update-done.service(8)).
    for path in (Path("/etc/.updated"), Path("/var/.updated")):
        path.touch()


def check_imports(python: dict[str, Any], user: str) -> None:
    """Import as the trainee what must be there, and make sure of what must not.

    A module of `never` may not even be found.
    """
    script = (
        "import importlib, importlib.util, json, sys\n"
        "job = json.loads(sys.argv[1])\n"
        "for name in job['imports']: importlib.import_module(name)\n"
        "bad = [n for n in job['never'] if importlib.util.find_spec(n) or n in sys.modules]\n"
        "sys.exit(f'must not be in the image: {bad}' if bad else 0)\n"
    )
    job = json.dumps({"imports": python["imports"], "never": python["never"]})
    run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", "-i",
        "HOME=/nonexistent", "PATH=/usr/bin:/bin", "LANG=C.UTF-8",
        f"{python['path']}/bin/python", "-c", script, job)  # fmt: skip


def main() -> None:
    """Do everything that the job asks for, in order."""
    job = json.loads((WORK / "job.json").read_text(encoding="utf-8"))
    os.umask(0o022)
    say("user")
    make_user(job["user"]["name"], job["user"]["uid"])
    say("python")
    install_python(job["python"])
    say("units")
    set_units(job["units"], job["agent_units"])
    hold(job["kernel"]["package"])
    say("initrd")
    make_initrds(job["kernel"]["initrd_modules"])
    say("imports")
    check_imports(job["python"], job["user"]["name"])
    say("cleaning")
    clean(job["sources"])
    shutil.rmtree(WORK)


if __name__ == "__main__":
    main()
