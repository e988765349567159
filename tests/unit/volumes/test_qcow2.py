"""Reading the head of qcow2 files; compared with qemu-img in tests/volumes."""

from __future__ import annotations

import contextlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import VolumeError
from vmlab.volumes.importing import ImportFormat, judge_head
from vmlab.volumes.model import Snapshot
from vmlab.volumes.qcow2 import (
    MAGIC,
    Qcow2Error,
    parse_header,
    parse_snapshot_table,
    read_volume,
)
from vmlab_protocol.snapshots import Reason


def head(**changes: int) -> bytes:
    # fmt: off
    facts = {"version": 3, "backing": 0, "backing_bytes": 0, "bits": 16, "size": 64 * 2**20,
             "crypt": 0, "l1": 1, "l1_at": 65536, "counts_at": 65536, "counts": 1,
             "snapshots": 0, "snapshots_at": 0, "features": 0, **changes}
    return struct.pack(
        ">4sIQIIQIIQQIIQQQQII", MAGIC, *(facts[k] for k in list(facts)[:-1]),
        facts["features"], 0, 0, 4, 104,
    )
    # fmt: on


def entry(name: bytes, size: int = 64 * 2**20, number: bytes = b"1") -> bytes:
    made = struct.pack(">QIHHIIQII", 0, 1, len(number), len(name), 0, 0, 0, 0, 24)
    made += struct.pack(">QQQ", 0, size, 0) + number + name
    return made + b"\0" * (-len(made) % 8)


@pytest.mark.parametrize("offset", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_table_beyond_any_file(offset):
    with pytest.raises(Qcow2Error, match="beyond the largest possible file"):
        read_volume(io.BytesIO(head(snapshots=1, snapshots_at=offset)))


def test_a_header():
    header = parse_header(head(snapshots=2, snapshots_at=131072))
    assert (header.version, header.size_mib, header.snapshots) == (3, 64, 2)
    assert not header.backing_file
    assert not header.encrypted


def test_snapshots_are_told_oldest_first_and_foreign_ones_left_out():
    names = [b"manual-20260102T000000Z", b"vm-state", b"hourly-20260101T000000Z"]
    table = b"".join(entry(name, number=b"%d" % n) for n, name in enumerate(names))
    found = parse_snapshot_table(table, 3)
    assert [snapshot.id for snapshot in found] == [
        "hourly-20260101T000000Z",
        "manual-20260102T000000Z",
    ]
    assert found[0] == Snapshot("hourly-20260101T000000Z", Reason.HOURLY, 1767225600.0, 64)


@pytest.mark.parametrize("length", [0, 3, 50, 80])
def test_a_header_cut_off_is_an_error(length):
    with pytest.raises(Qcow2Error):
        parse_header(head()[:length])


@given(st.binary(max_size=300), st.integers(0, 5))
def test_any_table_is_read_or_refused(data, count):
    with contextlib.suppress(Qcow2Error):
        assert len(parse_snapshot_table(data, count)) <= count


@given(st.binary(max_size=400))
def test_any_file_is_read_or_refused(data):
    for content in (data, MAGIC + data, head(snapshots=3, snapshots_at=104) + data):
        with contextlib.suppress(Qcow2Error):
            read_volume(io.BytesIO(content))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backing": 500, "backing_bytes": 11}, "backing file"),
        ({"features": 4}, "keeps its data in another file"),
        ({"crypt": 2}, "encrypted"),
        ({"features": 2}, "corrupt"),
        ({"size": 2**60}, "larger than"),
        ({"version": 9}, "version 9"),
    ],
)
def test_a_file_from_outside_that_refers_elsewhere_is_refused(changes, words):
    with pytest.raises(VolumeError, match=words):
        judge_head("home-a", head(**changes), ImportFormat.AUTO)


def test_formats_are_known_by_their_first_bytes_and_raw_is_never_guessed():
    vdi = b"<<< QEMU VM Virtual Disk Image >>>\n".ljust(0x40, b"\0") + bytes.fromhex("7f10dabe")
    assert judge_head("a", head(), ImportFormat.AUTO) is ImportFormat.QCOW2
    assert judge_head("a", vdi, ImportFormat.AUTO) is ImportFormat.VDI
    assert judge_head("a", b"\0" * 512, ImportFormat.RAW) is ImportFormat.RAW
    for content, form in [
        (b"\0" * 512, ImportFormat.AUTO),
        (b"# Disk DescriptorFile\n", ImportFormat.AUTO),
        (b"KDMV" + b"\0" * 508, ImportFormat.AUTO),
        (vdi, ImportFormat.QCOW2),
        (head(), ImportFormat.VDI),
    ]:
        with pytest.raises(VolumeError):
            judge_head("a", content, form)
