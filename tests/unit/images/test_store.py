"""The store: what is listed, what is found, and that damage is always noticed."""

from __future__ import annotations

import json
import os

import pytest

from vmlab.errors import ImageError
from vmlab.images.store import Image, ImageStore, describe_file

VERSION = "0123456789abcdef"


def put_image(root, *, name="desk", version=VERSION, created=1000.0, current=True):
    folder = root / name / version
    folder.mkdir(parents=True)
    files = {"disk.qcow2": b"disk" * 1000, "vmlinuz": b"kernel", "initrd": b"initrd"}
    for file, content in files.items():
        (folder / file).write_bytes(content)
    image = Image(
        name=name,
        version=version,
        recipe=version,
        folder=folder,
        created=created,
        kernel_args="root=/dev/vda",
        disk_size_mib=6144,
        packages=220,
        build_s=100.0,
        files={file: describe_file(folder / file) for file in files},
    )
    (folder / "image.json").write_text(json.dumps(image.to_json()))
    if current:
        (root / name / "current").symlink_to(version)
    return image


@pytest.fixture
def store(tmp_path):
    return ImageStore(tmp_path / "images")


def test_find_returns_what_was_put(store):
    image = put_image(store.folder)
    assert store.find("desk") == image
    assert store.find("desk", VERSION) == image
    assert store.find("desk").disk == image.folder / "disk.qcow2"
    assert image.size_bytes == 4012


def test_list_leaves_out_builds_links_and_damaged_ones(store, caplog):
    second = put_image(store.folder, version="b" * 16, created=2000.0, current=False)
    first = put_image(store.folder)
    put_image(store.folder, version=".result-x", current=False)
    broken = put_image(store.folder, name="node", version="c" * 16)
    (broken.folder / "image.json").write_text("{")
    assert store.list() == [first, second]
    assert str(broken.folder) in caplog.text


def test_empty_store(store):
    assert store.list() == []
    with pytest.raises(ImageError) as caught:
        store.find("desk")
    assert caught.value.hint == "vmlab image build desk"
    assert caught.value.public


@pytest.mark.parametrize("name", ["", ".", "..", "../desk", "/etc", ".work", "a\0b"])
def test_names_never_leave_the_store(store, name):
    put_image(store.folder)
    with pytest.raises(ImageError, match="cannot be the name"):
        store.find(name)
    with pytest.raises(ImageError, match="cannot be the name"):
        store.find("desk", name)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"name": 1, "files": []}', '{"files": {}}', "\x00"]
)
def test_damaged_description(store, text):
    image = put_image(store.folder)
    (image.folder / "image.json").write_text(text)
    with pytest.raises(ImageError, match=r"image\.json is damaged"):
        store.find("desk")


def test_an_image_that_a_start_takes_is_there_and_whole(store):
    with pytest.raises(ImageError, match="is not in"):
        store.find_whole("desk")
    image = put_image(store.folder)
    assert store.find_whole("desk").folder == image.folder
    (image.folder / "initrd").write_bytes(b"")
    with pytest.raises(ImageError, match="has 0 bytes instead of"):
        store.find_whole("desk")


def test_verify_notes_what_it_hashed(store):
    image = put_image(store.folder)
    store.verify(image)
    stamps = json.loads((image.folder / ".verified.json").read_text())
    assert stamps.keys() == image.files.keys()


@pytest.mark.parametrize("verified_before", [False, True])
@pytest.mark.parametrize("file", ["disk.qcow2", "vmlinuz", "initrd"])
def test_file_cut_short(store, file, verified_before):
    image = put_image(store.folder)
    if verified_before:
        store.verify(image)
    path = image.folder / file
    expected = path.stat().st_size
    os.truncate(path, expected - 1)
    with pytest.raises(ImageError) as caught:
        store.verify(image)
    assert f"{path} has {expected - 1} bytes instead of {expected}" in caught.value.message
    assert caught.value.hint == "vmlab image build desk"


def test_changed_content_of_the_same_size(store):
    image = put_image(store.folder)
    store.verify(image)
    path = image.folder / "vmlinuz"
    path.write_bytes(b"KERNEL")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ImageError, match="vmlinuz has another content"):
        store.verify(image)


def test_full_hashes_although_nothing_seems_to_have_changed(store):
    image = put_image(store.folder)
    store.verify(image)
    path = image.folder / "vmlinuz"
    before = path.stat()
    path.write_bytes(b"KERNEL")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    store.verify(image)  # the price of being quick at every start
    with pytest.raises(ImageError, match="vmlinuz has another content"):
        store.verify(image, full=True)


def test_missing_file(store):
    image = put_image(store.folder)
    image.initrd.unlink()
    with pytest.raises(ImageError, match="initrd cannot be read"):
        store.verify(image)


def test_unusable_stamp_is_no_verification(store):
    image = put_image(store.folder)
    for text in ("", "[]", '{"vmlinuz": "x"}'):
        (image.folder / ".verified.json").write_text(text)
        store.verify(image)
        assert (
            json.loads((image.folder / ".verified.json").read_text()).keys() == image.files.keys()
        )
