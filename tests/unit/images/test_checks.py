"""Checks of a tree: a good one passes, and each secret or gap planted in it is found."""

from __future__ import annotations

import io
import tarfile

import pytest

from fakes.recipes import GOOD, parse
from vmlab.errors import ImageError
from vmlab.images.checks import find_kernels, find_problems
from vmlab.images.tree import differences, extract, read_tree

RECIPE = parse(GOOD + '\n[checks]\npresent = ["/sbin/init"]\nabsent = ["/etc/old"]\n')
KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"b3BlbnNzaC1rZXktdjEAAAAA" * 4 + b"\n-----END"
GOOD_FILES = {
    "etc/shadow": b"root:*:20000:0:99999:7:::\ntrainee:!:20000:0:99999:7:::\n",
    "etc/passwd": b"root:x:0:0:root:/root:/bin/bash\ntrainee:x:1000:1000::/home/trainee:/bin/sh\n",
    "etc/machine-id": b"",
    "boot/vmlinuz-6.12": b"kernel",
    "boot/initrd.img-6.12": b"initrd",
    "boot/initrd-generic-6.12": b"initrd",
    "boot/config-6.12": b"CONFIG_VMGENID=y\n",
    "usr/lib/systemd/systemd": b"elf",
    "opt/vmlab/lib/json/__init__.py": b"",
}


def make_tar(path, files, *, modes=None, owners=None):
    folders = {"home", "home/trainee"}
    for name in files:
        parts = name.split("/")
        folders |= {"/".join(parts[:n]) for n in range(1, len(parts))}
    owners = {"home/trainee": 1000, **(owners or {})}
    with tarfile.open(path, "w") as tar:
        for name in ["", *sorted(folders)]:
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.mode, info.uid = tarfile.DIRTYPE, 0o755, owners.get(name, 0)
            tar.addfile(info)
        links = {"sbin": "usr/sbin", "usr/sbin/init": "../lib/systemd/systemd"}
        for name, target in links.items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size, info.uid = len(content), owners.get(name, 0)
            info.mode = (modes or {}).get(name, 0o644)
            tar.addfile(info, io.BytesIO(content))
    return path


def problems(tmp_path, changes=(), without=(), **options):
    files = {**GOOD_FILES, **dict(changes)}
    for name in without:
        del files[name]
    return find_problems(read_tree(make_tar(tmp_path / "tree.tar", files, **options)), RECIPE)


def test_good_tree(tmp_path):
    assert problems(tmp_path) == []


SHADOW = GOOD_FILES["etc/shadow"]
PLANTED = {
    "password": (
        "etc/shadow",
        SHADOW.replace(b"root:*", b"root:$y$j9T$abc"),
        "root has a password",
    ),
    "empty password": (
        "etc/shadow",
        SHADOW.replace(b"trainee:!", b"trainee:"),
        "an empty password",
    ),
    "locked password": ("etc/shadow", SHADOW.replace(b":!:", b":!$y$j9T$abc:"), "a locked one"),
    "password in passwd": ("etc/passwd", b"root:abc:0:0::/root:/bin/sh\n", "root has a password"),
    "host key": ("etc/ssh/ssh_host_ed25519_key", b"x", "ssh_host_ed25519_key"),
    "public host key": ("etc/ssh/ssh_host_ed25519_key.pub", b"x", "ssh_host_ed25519_key.pub"),
    "authorized keys": ("root/.ssh/authorized_keys", b"ssh-ed25519 x", "authorized_keys"),
    "machine-id": ("etc/machine-id", b"0123456789abcdef0123456789abcdef\n", "machine-id"),
    "random seed": ("var/lib/systemd/random-seed", b"x", "random-seed"),
    "apt login": ("etc/apt/auth.conf.d/site.conf", b"x", "auth.conf.d"),
    "apt lists": ("var/lib/apt/lists/mirror_debian_InRelease", b"x", "apt/lists"),
    "proxy of the host": ("etc/apt/apt.conf.d/99mmdebstrap", b"x", "99mmdebstrap"),
    "key in a file": ("etc/vmlab/anything", KEY, "a private key"),
    "token": ("etc/default/hub", b"JUPYTERHUB_API_TOKEN=0123456789abcdef0123456789abcdef", "token"),
    "address with password": (
        "etc/apt/sources.list",
        b"deb http://me:pw@m.example/ x main",
        "addr",
    ),
    "rest of the build": ("vmlab-build/job.json", b"{}", "vmlab-build"),
    "absent path": ("etc/old", b"x", "/etc/old must not be there"),
    "second kernel": ("boot/vmlinuz-6.13", b"x", "expected one kernel"),
    "no VMGENID": ("boot/config-6.12", b"# CONFIG_VMGENID is not set\n", "without CONFIG_VMGENID"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_problem_is_found(tmp_path, name):
    path, content, words = PLANTED[name]
    found = problems(tmp_path, {path: content})
    assert any(words in line for line in found), found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("etc/shadow", "/etc/shadow is missing"),
        ("etc/machine-id", "/etc/machine-id must be an empty file"),
        ("boot/initrd.img-6.12", "/boot/initrd.img-6.12 is missing"),
        ("boot/vmlinuz-6.12", "expected one kernel"),
        ("usr/lib/systemd/systemd", "/sbin/init is missing"),
    ],
)
def test_gap_is_found(tmp_path, path, words):
    assert any(words in line for line in problems(tmp_path, without=[path]))


def test_module_that_must_not_be_there(tmp_path):
    recipe = parse(GOOD.replace('version = "3.13"', 'version = "3.13"\nnever = ["json"]'))
    tree = read_tree(make_tar(tmp_path / "tree.tar", GOOD_FILES))
    assert "/opt/vmlab/lib/json must not be there" in find_problems(tree, recipe)


def test_writable_for_everybody(tmp_path):
    found = problems(tmp_path, modes={"boot/vmlinuz-6.12": 0o666})
    assert found == ["/boot/vmlinuz-6.12 is writable for everybody (mode 0666)"]


def test_owner(tmp_path):
    found = problems(tmp_path, owners={"home/trainee": 0, "usr/lib/systemd/systemd": 1000})
    assert sorted(found) == [
        "/home/trainee does not belong to trainee",
        "/usr/lib/systemd/systemd belongs to trainee",
    ]


def test_a_found_password_is_not_repeated(tmp_path):
    found = problems(tmp_path, {"etc/shadow": b"root:$y$j9T$verysecret:1::::::\n"})
    assert found
    assert "verysecret" not in "".join(found)


def test_tree_of_a_damaged_tar(tmp_path):
    path = make_tar(tmp_path / "tree.tar", {"boot/vmlinuz-6.12": bytes(100_000)})
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(ImageError, match=r"tree\.tar"):
        read_tree(path)


def test_differences(tmp_path):
    one = read_tree(make_tar(tmp_path / "1.tar", GOOD_FILES))
    other = {**GOOD_FILES, "etc/machine-id": b"abc", "etc/new": b""}
    del other["boot/vmlinuz-6.12"]
    two = read_tree(make_tar(tmp_path / "2.tar", other, modes={"etc/passwd": 0o600}))
    assert differences(one, one) == []
    assert differences(one, two) == [
        "/boot/vmlinuz-6.12: only in the first",
        "/etc/machine-id: size, sha256",
        "/etc/new: only in the second",
        "/etc/passwd: mode",
    ]


def test_hard_link_has_the_content_of_its_file(tmp_path):
    path = make_tar(tmp_path / "tree.tar", GOOD_FILES)
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("./etc/passwd.link")
        info.type, info.linkname = tarfile.LNKTYPE, "./etc/passwd"
        tar.addfile(info)
    tree = read_tree(path)
    assert tree["/etc/passwd.link"].sha256 == tree["/etc/passwd"].sha256
    assert tree["/etc/passwd.link"].path == "/etc/passwd.link"


def test_extract(tmp_path):
    tar = make_tar(tmp_path / "tree.tar", GOOD_FILES)
    (version,) = find_kernels(read_tree(tar))
    extract(tar, f"/boot/vmlinuz-{version}", tmp_path / "vmlinuz")
    assert (tmp_path / "vmlinuz").read_bytes() == b"kernel"
    with pytest.raises(ImageError, match="no file /sbin"):
        extract(tar, "/sbin", tmp_path / "link")
