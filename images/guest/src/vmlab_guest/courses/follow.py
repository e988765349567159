"""Following what the hub publishes: ask, fetch, deliver, send the receipt; for ever.

One `Follower` serves one seed. Whatever fails (hub away, disk full, damaged archive) is logged and
tried again after a growing, jittered pause; nothing is ever given up and nothing stops the agent.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from vmlab_guest.courses.archive import MAX_ARCHIVE_BYTES, unpack
from vmlab_guest.courses.arrival import is_news, tell_arrival
from vmlab_guest.courses.names import is_course_name
from vmlab_guest.errors import DeliveryError
from vmlab_guest.files import ensure_file
from vmlab_guest.hub import Hub
from vmlab_guest.notices import add_notice
from vmlab_guest.outside import load_json
from vmlab_guest.system import COURSES, HOME, TRAINEE_UID, System, inside
from vmlab_guest.threads import attempt, describe

LONG_POLL_S = 25
_ANSWER_S = 10.0
_DELIVERY_S = 120.0
_PAUSE_FIRST_S = 1.0
_PAUSE_MOST_S = 60.0
_MAX_COURSES = 50
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_KEPT = 200  # a receipt must stay within 64 KiB


@dataclass(frozen=True)
class CourseVersion:
    """One course as the hub lists it."""

    name: str
    version: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """What is published now."""

    digest: str
    courses: tuple[CourseVersion, ...]


class Deliverer(Protocol):
    """Brings an unpacked course into the trainee's home; returns what was kept."""

    def __call__(self, original: Path, course: CourseVersion) -> list[str]:
        """Raise DeliveryError when it cannot."""
        ...


def parse_listing(value: object) -> Listing:
    """Return the checked answer to `GET courses`.

    Raises:
        DeliveryError: it breaks the format.
    """
    try:
        digest, rows = value["digest"], value["courses"]  # type: ignore[index]  # checked by `except`
        courses = tuple(
            CourseVersion(row["name"], row["version"], row["digest"]) for row in rows[:_MAX_COURSES]
        )
    except (TypeError, KeyError, IndexError) as error:
        raise DeliveryError(f"the list of courses breaks its format: {error!r}") from error
    if not isinstance(digest, str):
        raise DeliveryError("the list of courses has no digest")
    for course in courses:
        if not (
            is_course_name(course.name)
            and type(course.version) is int
            and 0 < course.version < 10**9
            and isinstance(course.digest, str)
            and _DIGEST.fullmatch(course.digest)
        ):
            raise DeliveryError(f"the list of courses holds {str(course)[:200]}")
    return Listing(digest, courses)


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
        self._receipts: set[CourseVersion] = set()
        self._news: set[CourseVersion] = set()  # what the trainee is to be told of
        self._stopped = threading.Event()

    def start(self, wait: Callable[[], None] = lambda: None) -> None:
        """Begin to follow when `wait` is over; returns at once."""
        threading.Thread(target=self._run, args=(wait,), name="courses", daemon=True).start()

    def stop(self) -> None:
        """Follow no more; a request that waits for the hub ends by itself."""
        self._stopped.set()

    def run_round(self) -> bool:
        """Ask once (waits for a change unless it is the first time) and deliver what is new.

        Returns:
            Whether there was anything new.

        Raises:
            DeliveryError: something could not be fetched, delivered or confirmed. All other
                courses of the round were handled nevertheless.
            OSError: the disk is full or the like.
        """
        query = urlencode({"known": self._known, "wait": LONG_POLL_S if self._known else 0})
        answer = self._hub.get_json(f"courses?{query}", LONG_POLL_S + _ANSWER_S)
        listing = parse_listing(answer)
        failures: list[str] = []
        for course in listing.courses:
            if self._stopped.is_set():
                return False
            try:
                self._bring(course)
            except (DeliveryError, OSError) as error:
                failures.append(f"{course.name} {course.version}: {error}")
            except Exception as error:  # noqa: BLE001 - the other courses must have their turn
                failures.append(f"{course.name} {course.version}: {describe(error)}")
        if failures:
            raise DeliveryError("; ".join(failures))
        is_new = listing.digest != self._known
        self._known = listing.digest
        return is_new

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
                    self._stopped.wait(make_pause(2, random.random()))  # noqa: S311 - jitter
            except (DeliveryError, OSError) as error:
                failures += 1
                self._system.log(f"courses: {error}")
            except Exception as error:  # noqa: BLE001 - the root of a thread that must not end
                failures += 1
                self._system.log(f"courses: unexpected error: {describe(error)}")
            if failures:
                self._stopped.wait(make_pause(failures, random.random()))  # noqa: S311 - jitter

    def _bring(self, course: CourseVersion) -> None:
        if course in self._receipts:
            return
        self._note_news(course)
        with self._gate:
            original = self._fetch(course)
            kept = self._deliverer(original, course)
        body = {"course": course.name, "version": course.version, "kept": kept[:_MAX_KEPT]}
        self._hub.post_json("receipts", body, _ANSWER_S)
        self._receipts.add(course)
        self._system.log(f"courses: {course.name} {course.version} delivered, {len(kept)} kept")
        if course in self._news:
            self._news.remove(course)
            add_notice(self._system, tell_arrival(course.name, course.version, kept))

    def _note_news(self, course: CourseVersion) -> None:
        """Remember, before it is here, that a version is one that the trainee does not know."""
        stamps = (inside(self._system, f"/{COURSES}") / course.name).glob("*.digest")
        here = {int(stamp.stem) for stamp in stamps if stamp.stem.isdecimal()}
        if is_news(course.version, here, is_later=bool(self._known)):
            self._news.add(course)

    def _fetch(self, course: CourseVersion) -> Path:
        """Return the folder of the original, downloaded unless this very content is there."""
        folder = inside(self._system, f"/{COURSES}") / course.name
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


def make_pause(failures: int, chance: float) -> float:
    """Return seconds to wait: doubled at each failure, at most a minute, spread by `chance`.

    Args:
        chance: from 0 to 1; spreads the machines of a class so that they do not return at once.
    """
    longest = min(_PAUSE_MOST_S, _PAUSE_FIRST_S * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + chance / 2)


def deliver_as_trainee(original: Path, course: CourseVersion) -> list[str]:
    """Deliver in a process that is the trainee and has nothing of ours but its arguments.

    Raises:
        DeliveryError: it failed; nothing was lost.
    """
    module = "vmlab_guest.courses.deliver"
    argv = [
        sys.executable,
        "-I",
        "-m",
        module,
        str(original),
        HOME,
        course.name,
        str(course.version),
    ]
    try:
        done = subprocess.run(
            argv,
            user=TRAINEE_UID,
            group=TRAINEE_UID,
            extra_groups=[],
            umask=0o022,
            env={"HOME": HOME, "PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            capture_output=True,
            timeout=_DELIVERY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeliveryError(f"the delivery cannot run: {error}") from error
    if done.returncode != 0:
        raise DeliveryError(done.stderr.decode(errors="replace").strip()[-300:])
    return parse_kept(done.stdout)


def parse_kept(output: bytes) -> list[str]:
    """Return the kept paths that the helper printed; it belongs to the trainee, so nothing is sure.

    Raises:
        DeliveryError: it printed something else.
    """
    try:
        kept = load_json(output)["kept"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeliveryError("the delivery helper did not say what it kept") from error
    if not isinstance(kept, list) or not all(isinstance(p, str) and len(p) < 300 for p in kept):
        raise DeliveryError("the delivery helper named no paths")
    return kept
