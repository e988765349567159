"""Following what the hub publishes: ask, fetch, deliver, send the receipt, and again.

One `Follower` serves one seed. What fails for a while (hub away, disk full) is logged and tried
again after a growing, jittered pause of its own, so that no course keeps another one waiting. What
would fail each time is reported to the hub and not retried. No error stops the agent.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from vmlab_guest.courses.archive import unpack
from vmlab_guest.courses.arrival import is_news, tell_arrival
from vmlab_guest.courses.held import Outcome
from vmlab_guest.courses.tell import tell_obstacles, tell_removal
from vmlab_guest.errors import DeliveryError, RefusedError
from vmlab_guest.files import ensure_file
from vmlab_guest.hub import Hub
from vmlab_guest.notices import add_notice
from vmlab_guest.system import COURSES, System, inside
from vmlab_guest.threads import attempt, describe
from vmlab_protocol.archive import MAX_ARCHIVE_BYTES
from vmlab_protocol.courses import MAX_WAIT_S, CourseVersion, parse_listing
from vmlab_protocol.errors import FormatError
from vmlab_protocol.machine import HOME
from vmlab_protocol.receipts import make_receipt, make_refusal

_ANSWER_S = 10.0
_PAUSE_FIRST_S = 1.0
_PAUSE_MAX_S = 60.0
_INCOMPLETE_MAX_S = 600.0
"""Files that wait for room, or for a folder to be writable: tried less and less often."""


class Deliverer(Protocol):
    """Brings an unpacked course into the trainee's home, or takes it back from there."""

    def __call__(self, original: Path | None, name: str, version: int) -> Outcome:
        """Raise DeliveryError when it cannot."""
        ...


@dataclass(frozen=True)
class _Wait:
    """A course that is not finished: how often it was tried, and when it is tried again."""

    tries: int
    due: float


class Follower:
    """Delivers what the hub publishes, in a thread of its own.

    Args:
        gate: held while a course is delivered; shared by the followers of successive seeds.
    """

    def __init__(
        self, system: System, hub: Hub, deliverer: Deliverer, gate: threading.Lock
    ) -> None:
        self._system = system
        self._hub = hub
        self._deliverer = deliverer
        self._gate = gate
        self._known = ""
        self._done: set[CourseVersion] = set()
        self._waits: dict[CourseVersion, _Wait] = {}
        self._refused: dict[CourseVersion, str] = {}
        self._last_receipts: dict[CourseVersion, dict[str, object]] = {}
        self._news: set[CourseVersion] = set()  # what the trainee is to be told of
        self._stopped = threading.Event()

    def start(self, wait: Callable[[], None] = lambda: None) -> None:
        """Begin to follow when `wait` is over; returns at once."""
        threading.Thread(target=self._run, args=(wait,), name="courses", daemon=True).start()

    def stop(self) -> None:
        """Follow no more; a request that waits for the hub ends by itself."""
        self._stopped.set()

    def run_round(self) -> bool:
        """Ask once (waits for a change unless it is the first time) and deliver what is due.

        What fails of one course is logged, and the course is tried again later.

        Returns:
            Whether there was anything new.

        Raises:
            DeliveryError: the hub did not answer as it should.
        """
        wait_s = self._poll_s()
        query = urlencode({"known": self._known, "wait": f"{wait_s:g}"})
        answer = self._hub.get_json(f"courses?{query}", MAX_WAIT_S + _ANSWER_S)
        try:
            listing = parse_listing(answer)
        except FormatError as error:
            raise DeliveryError(str(error)) from error
        # What is no longer listed does not concern this machine any more.
        self._waits = {c: wait for c, wait in self._waits.items() if c in listing.courses}
        for course in listing.courses:
            if self._stopped.is_set():
                return False
            if course not in self._done and self._is_due(course):
                self._try(course)
        is_new = listing.digest != self._known
        self._known = listing.digest
        return is_new

    def _poll_s(self) -> float:
        """Return how long the hub may wait: no longer than until a course is tried again."""
        if not self._known:
            return 0
        now = time.monotonic()
        return min([MAX_WAIT_S, *(max(0.0, wait.due - now) for wait in self._waits.values())])

    def _is_due(self, course: CourseVersion) -> bool:
        return course not in self._waits or self._waits[course].due <= time.monotonic()

    def _try(self, course: CourseVersion) -> None:
        tries = self._waits[course].tries + 1 if course in self._waits else 1
        most_s = _PAUSE_MAX_S
        try:
            is_done = self._bring(course)
            most_s = _INCOMPLETE_MAX_S
        except (DeliveryError, OSError) as error:
            is_done = False
            self._system.log(f"courses: {course.name} {course.version}: {error}")
        except Exception as error:  # noqa: BLE001 - the other courses must have their turn
            is_done = False
            self._system.log(f"courses: {course.name} {course.version}: {describe(error)}")
        if is_done:
            self._done.add(course)
            self._waits.pop(course, None)
        else:
            pause = make_pause(tries, random.random(), most_s)  # noqa: S311 - jitter
            self._waits[course] = _Wait(tries, time.monotonic() + pause)

    def _run(self, wait: Callable[[], None]) -> None:
        attempt(self._system.log, "courses, before the first", wait)
        failures = 0
        while not self._stopped.is_set():
            try:
                began = time.monotonic()
                is_new = self.run_round()
                failures = 0
                # A hub that does not wait must not be asked without end.
                if not is_new and time.monotonic() - began < 1:
                    self._stopped.wait(make_pause(1, random.random()))  # noqa: S311 - jitter
            except (DeliveryError, OSError) as error:
                failures += 1
                self._system.log(f"courses: {error}")
            except Exception as error:  # noqa: BLE001 - the root of a thread that must not end
                failures += 1
                self._system.log(f"courses: unexpected error: {describe(error)}")
            if failures:
                self._stopped.wait(make_pause(failures, random.random()))  # noqa: S311 - jitter

    def _bring(self, course: CourseVersion) -> bool:
        """Deliver a course, tell hub and trainee how it went; return whether it is finished."""
        if course in self._refused:
            return self._refuse(course)
        self._note_news(course)
        with self._gate:
            try:
                if course.is_removed:
                    return self._remove(course)
                original = self._fetch(course)
            except RefusedError as error:
                self._system.log(f"courses: {course.name} {course.version} is refused: {error}")
                self._refused[course] = str(error)
                return self._refuse(course)
            outcome = self._deliverer(original, course.name, course.version)
        self._finish(course, outcome)
        if course in self._news:
            self._news.remove(course)
            add_notice(self._system, tell_arrival(course.name, course.version, outcome.kept))
        if notice := tell_obstacles(course.name, outcome):
            add_notice(self._system, notice)
        return outcome.is_complete

    def _remove(self, course: CourseVersion) -> bool:
        folder = self._folder(course)
        if not folder.exists() and not os.path.lexists(inside(self._system, HOME) / course.name):
            return True  # it never came here, or has left nothing
        outcome = self._deliverer(None, course.name, course.version)
        shutil.rmtree(folder, ignore_errors=True)
        self._finish(course, outcome)
        if notice := tell_removal(course.name, outcome):
            add_notice(self._system, notice)
        return outcome.is_complete

    def _finish(self, course: CourseVersion, outcome: Outcome) -> None:
        receipt = make_receipt(course.name, course.version, outcome.kept, outcome.obstacles)
        if self._last_receipts.get(course) == receipt:
            return  # tried again, and nothing has changed
        self._hub.post_json("receipts", receipt, _ANSWER_S)
        self._last_receipts[course] = receipt
        self._system.log(
            f"courses: {course.name} {course.version} "
            f"{'withdrawn' if course.is_removed else 'delivered'}, {len(outcome.kept)} kept, "
            f"{len(outcome.obstacles)} not in their place, {outcome.removed} removed"
        )

    def _refuse(self, course: CourseVersion) -> bool:
        body = make_refusal(course.name, course.version, self._refused[course])
        self._hub.post_json("receipts", body, _ANSWER_S)
        return True

    def _folder(self, course: CourseVersion) -> Path:
        return inside(self._system, f"/{COURSES}") / course.name

    def _note_news(self, course: CourseVersion) -> None:
        """Remember, before it is here, that a version is one that the trainee does not know."""
        stamps = self._folder(course).glob("*.digest")
        here = {int(stamp.stem) for stamp in stamps if stamp.stem.isdecimal()}
        is_later = bool(self._known)
        if not course.is_removed and is_news(course.version, here, is_later=is_later):
            self._news.add(course)

    def _fetch(self, course: CourseVersion) -> Path:
        """Return the folder of the original, downloaded unless this very content is there."""
        folder = self._folder(course)
        original, stamp = folder / str(course.version), folder / f"{course.version}.digest"
        # A hub that lost its database counts from 1 again: the version alone proves nothing.
        if original.is_dir() and stamp.is_file() and stamp.read_text() == course.digest:
            return original
        stamp.unlink(missing_ok=True)
        with tempfile.TemporaryFile() as archive:
            path = f"courses/{quote(course.name)}/{course.version}"
            self._hub.download(path, archive, MAX_ARCHIVE_BYTES, _ANSWER_S)
            archive.seek(0)
            unpack(archive, course.digest, original)
        ensure_file(stamp, course.digest)
        return original


def make_pause(failures: int, chance: float, most_s: float = _PAUSE_MAX_S) -> float:
    """Return seconds to wait: doubled at each failure, at most `most_s`, spread by `chance`.

    Args:
        chance: from 0 to 1; spreads the machines of a class so that they do not return at once.
    """
    longest = min(most_s, _PAUSE_FIRST_S * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + chance / 2)
