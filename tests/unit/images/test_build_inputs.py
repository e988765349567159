"""What the builder tells its programs: exact commands, one tar, the lock, the progress."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from fakes.recipes import GOOD, parse
from vmlab.errors import ConfigError
from vmlab.images.bootstrap import Payload, make_job, make_mmdebstrap_command, make_payload
from vmlab.images.disk import file_system_uuid, make_mke2fs_arguments, make_times_script
from vmlab.images.mirrors import DEBIAN_KEYRING, Mirrors
from vmlab.images.progress import BootstrapCounter, BuildPhase, progress_at
from vmlab.images.wheels import find_wheels, parse_lock

MIRRORS = Mirrors("http://m.example/debian", "", DEBIAN_KEYRING, ('Acquire::Retries "3";',))
HASH = "a" * 64


def command(*, as_root=True, mirrors=MIRRORS):
    return make_mmdebstrap_command(
        parse(GOOD),
        mirrors,
        payload=Path("/w/payload.tar"),
        debs=Path("/c/debs desk"),
        target=Path("/w/tree.tar"),
        as_root=as_root,
    )


def test_mmdebstrap_command():
    made = command()
    assert made[:11] == [
        "unshare",
        "--mount",
        "setpriv",
        "--pdeathsig=TERM",
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        "--format=tar",
        "--architectures=amd64",
        "--verbose",
        "--include=systemd,linux-image-amd64",
    ]
    assert '--aptopt=Acquire::Retries "3";' in made
    assert "--setup-hook=sync-in '/c/debs desk' /var/cache/apt/archives/" in made
    assert made[-4:] == [
        "trixie",
        "/w/tree.tar",
        f"deb [signed-by={DEBIAN_KEYRING}] http://m.example/debian trixie main",
        f"deb [signed-by={DEBIAN_KEYRING}] http://m.example/debian trixie-updates main",
    ]
    hooks = [part for part in made if part.startswith("--customize-hook")]
    assert hooks[-2] == "--customize-hook=tar-in /w/payload.tar /"
    assert hooks[-1].endswith('chroot "$1" python3 -I /vmlab-build/inside.py')


def test_without_root_a_user_namespace_is_used():
    assert command(as_root=False)[:4] == [
        "setpriv",
        "--pdeathsig=TERM",
        "mmdebstrap",
        "--mode=unshare",
    ]


def test_certificates_travel_only_when_a_mirror_needs_them():
    secure = Mirrors("https://m.example/debian", "", DEBIAN_KEYRING, ())
    assert not any("ca-certificates.crt" in part for part in command())
    assert any("ca-certificates.crt" in part for part in command(mirrors=secure))


def test_payload_is_the_same_whoever_makes_it(tmp_path):
    folder = tmp_path / "images" / "recipes" / "desk"
    (folder / "files" / "etc").mkdir(parents=True)
    (folder / "files" / "etc" / "motd").write_text("hello")
    (folder / "files" / "etc" / "hook").write_text("#!/bin/sh\n")
    (folder / "files" / "etc" / "hook").chmod(0o700)
    (folder / "files" / "etc" / "link").symlink_to("motd")
    (folder / "requirements.lock").write_text("")
    unit = tmp_path / "agent.service"
    unit.write_text("[Unit]\n")
    recipe = read(folder)
    payload = Payload((), (), (unit,))
    for name in ("1.tar", "2.tar"):
        make_payload(recipe, make_job(recipe, MIRRORS, payload), payload, tmp_path / name)
        (folder / "files" / "etc" / "motd").chmod(0o664)
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    with tarfile.open(tmp_path / "1.tar") as tar:
        members = {m.name: m for m in tar}
    assert {m.uid for m in members.values()} == {0}
    assert {m.mtime for m in members.values()} == {1767225600}
    assert members["etc/hook"].mode == 0o755
    assert members["etc/motd"].mode == 0o644
    assert members["etc/link"].linkname == "motd"
    assert {"vmlab-build/inside.py", "vmlab-build/job.json", "vmlab-build/units/agent.service"} <= (
        members.keys()
    )


def read(folder):
    from vmlab.images.recipe import read_recipe
    from vmlab.lab.toml_errors import parse_toml

    return read_recipe(parse_toml(GOOD, str(folder / "recipe.toml")))


def test_mke2fs_arguments_follow_from_the_version():
    first = make_mke2fs_arguments(Path("/raw"), Path("/tree"), "abc", 4096)
    assert first == make_mke2fs_arguments(Path("/raw"), Path("/tree"), "abc", 4096)
    assert str(file_system_uuid("abc")) in first
    assert first[-2:] == ["/raw", "4096M"]
    assert "lazy_itable_init=0" in first[first.index("-E") + 1]
    assert file_system_uuid("abc") != file_system_uuid("other")


def test_times_of_a_fresh_file_system():
    lines = make_times_script(12, 255).splitlines()
    assert lines == [
        f"set_inode_field <{inode}> {field} @0xff"
        for inode in (2, 11, 12)
        for field in ("atime", "ctime")
    ]


def test_lock():
    text = f"# made by uv\nA_b==1.0 \\\n    --hash=sha256:{HASH} \\\n    --hash=sha256:{'b' * 64}\n"
    (pin,) = parse_lock(Path("x.lock"), text + "    # via c\n")
    assert (pin.name, pin.version, pin.hashes) == ("a-b", "1.0", frozenset({HASH, "b" * 64}))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a>=1\n", 1),
        ("# x\n\na==1\n", 3),
        (f"a==1 \\\n    --hash=sha256:{HASH}\n--index-url http://x\n", 3),
        ("a==1 \\\n    --hash=md5:abc\n", 1),
    ],
)
def test_lock_without_hash_or_version(text, line):
    with pytest.raises(ConfigError, match=rf"x\.lock:{line}: "):
        parse_lock(Path("x.lock"), text)


def test_only_wheels_with_the_right_hash_are_used(tmp_path):
    good, bad = tmp_path / "a_b-1.0-py3-none-any.whl", tmp_path / "c-1.0-py3-none-any.whl"
    good.write_bytes(b"")
    bad.write_bytes(b"tampered")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    lock = f"a-b==1.0 --hash=sha256:{empty}\nc==1.0 --hash=sha256:{empty}\n"
    assert find_wheels(parse_lock(Path("x"), lock), tmp_path) == {"a-b": good}


def test_progress_never_goes_back():
    shown = [progress_at(phase, part, "").fraction for phase in BuildPhase for part in (0, 0.5, 1)]
    assert shown == sorted(shown)
    assert shown[-1] == 1.0


def test_bootstrap_is_counted():
    counter = BootstrapCounter()
    assert counter.feed("Setting up base") == 0.0
    counter = BootstrapCounter()
    counter.feed("0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.")
    assert counter.feed("Unpacking a (1.0) ...") == 0.25
    counter.feed("Unpacking b (1.0) ...")
    counter.feed("Setting up a (1.0) ...")
    assert counter.feed("Setting up b (1.0) ...") == 1.0
