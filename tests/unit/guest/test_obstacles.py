"""What is told of files that are not in their place, by the hub and in the machine."""

from __future__ import annotations

from vmlab.database import obstacles
from vmlab_guest.courses import held, tell
from vmlab_protocol.receipts import OBSTACLE_REASONS, Obstacle, Reason


def test_every_reason_has_words_in_both_languages():
    assert set(obstacles.WORDS) == OBSTACLE_REASONS
    for reason in Reason:
        outcome = held.Outcome((Obstacle("a.md", reason, "c/a.v2.md"),))
        notice = tell.tell_obstacles("c", outcome)
        if reason is Reason.EDITED:
            assert notice is None, "the arrival of a version tells what was kept"
            continue
        assert "c/a.v2.md" in notice.en
        assert "c/a.v2.md" in notice.fr
        assert notice.en != notice.fr


def test_many_obstacles_are_told_in_few_lines():
    many = tuple(Obstacle(f"{number}.md", Reason.NO_ROOM) for number in range(500))
    notice = tell.tell_obstacles("c", held.Outcome(many))
    assert "500 files are not in their place" in notice.en
    assert "and 495 more" in notice.en
    assert "dans les dix minutes" in notice.fr
    assert len(notice.en.splitlines()) == 8


def test_a_delivery_without_trouble_is_no_news():
    assert obstacles.tell_delivery("c", (), "") is None
    assert tell.tell_removal("c", held.Outcome()) is None
