"""What nft says, as far as it is read."""

from __future__ import annotations

import json

from vmlab.providers.qemu.network.bridge import parse_elements


def listing(**of_set: object) -> str:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, {"set": of_set}]})


def test_who_is_in_a_set():
    one = {"elem": {"val": "m101", "timeout": 60, "expires": 58}}
    assert parse_elements(listing(name="flooding", elem=[one, "m102"])) == {"m101", "m102"}


def test_a_set_without_elements():
    assert parse_elements(listing(name="flooding")) == set()
