"""The board: the facilitators' live view of trainees by steps, inside the hub's admin page.

Here is what it shows, what trainees see of their own progress, and how often it asks;
`vmlab.api` serves it, `vmlab.pages` draws it.
"""

from vmlab.board.cached import Cached
from vmlab.board.outline import make_outline
from vmlab.board.people import Group, Person, Seat, list_people
from vmlab.board.roster import Rights, make_roster
from vmlab.board.rows import BoardFacts, make_board

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
