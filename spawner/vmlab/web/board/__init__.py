"""The board: the facilitators' live view of trainees by steps, inside the hub's admin page.

Here is what it shows, what trainees see of their own progress, and how often it asks;
`vmlab.web.api` serves it, `vmlab.web.pages` draws it.

    people   the hub's users and their servers
    outline  courses as one trainee sees them
    begun    which courses each trainee has begun
    group    what is told of a trainee's machines
    rows     what the board shows
    roster   the list of people and machines below it
    cached   one answer for all who ask within a second
"""

from vmlab.web.board.cached import Cached
from vmlab.web.board.group import GroupFacts, GroupRights, tell_group
from vmlab.web.board.outline import make_outline
from vmlab.web.board.people import Group, Person, Seat, find_seat, list_people
from vmlab.web.board.roster import Rights, make_roster
from vmlab.web.board.rows import BoardFacts, make_board

__all__ = [
    "BoardFacts",
    "Cached",
    "Group",
    "GroupFacts",
    "GroupRights",
    "Person",
    "Rights",
    "Seat",
    "find_seat",
    "list_people",
    "make_board",
    "make_outline",
    "make_roster",
    "tell_group",
]
