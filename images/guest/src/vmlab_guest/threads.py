"""The entry point of the agent's threads: errors are logged, and the thread goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

_SHOWN = 300
_PAUSE_FIRST_S, _PAUSE_MAX_S = 1.0, 60.0
_MAX_TIMES = 30
"""Half an hour: no host is busy for longer, and what fails then fails for another reason."""


def attempt(log: Callable[[str], None], what: str, work: Callable[[], object]) -> bool:
    """Do the work; return whether it succeeded. An error is logged with the line that raised it.

    Args:
        log: takes one line.
        what: what is done, in a word or two.
        work: raises what it likes.
    """
    try:
        work()
    except Exception as error:  # noqa: BLE001 - the root of a thread: the next work must find it
        log(f"{what}: unexpected error: {describe(error)}")
        return False
    return True


def persist(
    log: Callable[[str], None],
    pause: Callable[[float], object],
    what: str,
    work: Callable[[], object],
) -> bool:
    """Do the work, again after growing pauses when it fails; return whether it succeeded.

    For what a busy host may refuse once and nobody would try again.

    Args:
        pause: waits for so many seconds.
        log, what, work: as for `attempt`.
    """
    for pause_s in pauses():
        if attempt(log, what, work):
            return True
        pause(pause_s)
    log(f"{what}: given up after {_MAX_TIMES} times")
    return False


def pauses() -> Iterator[float]:
    """Yield how long to wait after each failure."""
    for number in range(_MAX_TIMES):
        yield min(_PAUSE_FIRST_S * 2.0**number, _PAUSE_MAX_S)


def describe(error: BaseException) -> str:
    """Return kind, words and place of an error, in one line."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - making its message may fail itself
        words = ""
    text = f"{type(error).__name__}: {words[:_SHOWN]} ({place})"
    return "".join(char if char.isprintable() else " " for char in text)
