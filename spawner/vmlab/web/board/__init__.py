"""The board: the facilitators' live view of trainees by steps, inside the hub's admin page.

Here is what it shows, what trainees see of their own progress, and how often it asks;
`vmlab.web.api` serves it, `vmlab.web.pages` draws it.
"""

from vmlab.web.board.cached import Cached
from vmlab.web.board.outline import make_outline
from vmlab.web.board.people import Group, Person, Seat, list_people
from vmlab.web.board.roster import Rights, make_roster
from vmlab.web.board.rows import BoardFacts, make_board

__all__ = [
    "BoardFacts",
    "Cached",
    "Group",
    "Person",
    "Rights",
    "Seat",
    "list_people",
    "make_board",
    "make_outline",
    "make_roster",
]
