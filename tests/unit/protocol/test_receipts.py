"""What machines tell of a delivery, the hub takes."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from vmlab.web.api.bodies import parse_receipt
from vmlab_protocol.courses import MAX_VERSION
from vmlab_protocol.outside import load_json
from vmlab_protocol.receipts import (
    MAX_BODY_BYTES,
    MAX_FILES_TOLD,
    OBSTACLE_REASONS,
    Obstacle,
    Reason,
    make_receipt,
    make_refusal,
    read_reason,
)

HELD = Obstacle("a.md", Reason.FORBIDDEN, "a.v2.md")


def test_a_receipt_has_room_for_the_worst_names() -> None:
    """Two hundred edited files with names of fifty emoji were more than the hub takes: for ever."""
    names = [f"{number:04}/" + "\U0001f52c" * 48 for number in range(2000)]
    receipt = make_receipt("c", 1, names, [HELD])
    assert len(json.dumps(receipt)) < 64 * 1024
    assert receipt["kept"][:50] == names[:50]
    assert receipt["obstacles"] == [{"path": "a.md", "reason": "forbidden", "beside": "a.v2.md"}]


parts = st.text("abcdé\U0001f52c_-0", min_size=1, max_size=12)
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


@given(
    st.lists(paths, max_size=20),
    st.lists(
        st.builds(Obstacle, paths, st.sampled_from(sorted(OBSTACLE_REASONS)), paths), max_size=20
    ),
)
def test_the_hub_takes_what_a_machine_tells(kept, obstacles):
    body = load_json(json.dumps(make_receipt("first-steps", 3, kept, obstacles)))
    said = parse_receipt(body)
    assert (said.course, said.version, said.refused) == ("first-steps", 3, "")
    assert list(said.kept) == kept
    assert [o.reason for o in said.obstacles] == [o.reason for o in obstacles]


def test_the_hub_takes_no_more_than_a_machine_tells():
    body = make_receipt("c", MAX_VERSION, ["a"] * 5000, [HELD] * 5000)
    assert len(body["obstacles"]) == MAX_FILES_TOLD
    assert len(json.dumps(body)) < MAX_BODY_BYTES
    parse_receipt(body)


@given(st.text())
def test_the_hub_takes_why_a_version_is_refused(why):
    said = parse_receipt(make_refusal("c", 1, why))
    assert said.refused == "".join(c if c.isprintable() else "·" for c in why[:300])


def test_a_reason_of_a_newer_agent_is_a_failure():
    assert read_reason("eaten-by-a-dog") is Reason.FAILED
    assert read_reason("edited") is Reason.FAILED, "edited files are told as kept"
    assert read_reason("no-room") is Reason.NO_ROOM
