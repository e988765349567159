"""The root of the agent's threads: whatever goes wrong is logged, and the thread goes on."""

from __future__ import annotations

from collections.abc import Callable

_SHOWN = 300


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
