"""Hub and agent have the same words for what keeps a file from its place."""

from __future__ import annotations

from vmlab.database import obstacles
from vmlab_guest.courses import held, tell


def test_what_the_agent_says_the_hub_knows():
    agent = {str(reason) for reason in held.Reason} - {"edited"}
    assert {str(reason) for reason in obstacles.Reason} == agent


def test_every_reason_has_words_in_both_languages():
    assert set(obstacles.WORDS) == set(obstacles.Reason)
    for reason in held.Reason:
        outcome = held.Outcome((held.Held("a.md", reason, "c/a.v2.md"),))
        notice = tell.tell_obstacles("c", outcome)
        if reason is held.Reason.EDITED:
            assert notice is None, "the arrival of a version tells what was kept"
            continue
        assert "c/a.v2.md" in notice.en
        assert "c/a.v2.md" in notice.fr
        assert notice.en != notice.fr


def test_many_obstacles_are_told_in_few_lines():
    many = tuple(held.Held(f"{number}.md", held.Reason.NO_ROOM) for number in range(500))
    notice = tell.tell_obstacles("c", held.Outcome(many))
    assert "500 files are not in their place" in notice.en
    assert "and 495 more" in notice.en
    assert "dans les dix minutes" in notice.fr
    assert len(notice.en.splitlines()) == 8


def test_a_delivery_without_trouble_is_no_news():
    assert obstacles.tell_delivery("c", (), "") is None
    assert tell.tell_removal("c", held.Outcome()) is None
