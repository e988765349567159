"""The agent's conversation, over a socket pair, on a fake machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.guest_desk import Desk
from fakes.guest_seeds import TOKEN, make_line
from fakes.waiting import LIMIT_S
from surroundings import threads_end
from vmlab_guest import agent as agent_module

PHASES = ["identity", "keys", "network", "mounts", "exercises", "server"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with threads_end():
        desk = Desk(tmp_path / "root")
        yield desk
        desk.close()


STATUS = {
    "type": "status",
    "agent": "0.1.0",
    "seeded": False,
    "parked": False,
    "server": "stopped",
}


def test_status_at_start_and_on_request(desk: Desk) -> None:
    assert desk.hear() == STATUS
    desk.ask(b'{"type":"status"}\n')
    assert desk.hear() == STATUS


def test_a_seed_is_applied_phase_by_phase(desk: Desk) -> None:
    desk.hear()
    desk.ask(make_line())
    heard = desk.hear_until("seeded", "error")
    assert [m.get("phase") for m in heard] == [*PHASES, None]
    assert heard[-1] == {"type": "seeded"}
    desk.ask(b'{"type":"status"}\n')
    assert desk.hear() == {**STATUS, "seeded": True, "server": "running"}
    assert TOKEN not in "".join(desk.system.logged)
    assert "console: phase mounts" in desk.system.logged


def test_status_is_answered_while_a_seed_is_applied(desk: Desk) -> None:
    desk.hear()
    desk.gate.open.clear()
    desk.ask(make_line())
    assert desk.gate.entered.wait(LIMIT_S)
    desk.ask(b'{"type":"status"}\n')
    assert desk.hear_until("status")[-1] == STATUS
    desk.gate.open.set()
    assert desk.hear_until("seeded", "error")[-1] == {"type": "seeded"}


def test_a_failed_phase_is_an_error_and_the_next_seed_works(desk: Desk) -> None:
    desk.hear()
    desk.system.fail = {"mount": "x" * 2000 + "\x1b[2J"}
    desk.ask(make_line())
    error = desk.hear_until("seeded", "error")[-1]
    assert (error["type"], error["phase"], len(error["message"])) == ("error", "mounts", 1000)
    desk.system.fail = {}
    desk.ask(make_line())
    assert desk.hear_until("seeded", "error")[-1] == {"type": "seeded"}


@pytest.mark.parametrize(
    "line",
    [b'{"type":"seed"}', b'{"type":"seed","seed":[]}', b'{"type":"seed","seed":{"version":9}}'],
)
def test_a_bad_seed_is_refused(desk: Desk, line: bytes) -> None:
    desk.hear()
    desk.ask(line + b"\n")
    error = desk.hear()
    assert (error["type"], error["phase"]) == ("error", "identity")
    assert error["message"].startswith("seed")


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b"{", b"[]", b'"x"', b"{}", b'{"type":[1]}', b"[" * 100_000]
)
def test_nonsense_is_logged_and_shows_nothing_of_itself(desk: Desk, line: bytes) -> None:
    desk.hear()
    desk.ask(line + b"\n" + b'{"type":"status"}\n')
    assert desk.hear() == STATUS
    assert len(desk.system.logged) == 1


def test_poweroff_flushes_first(desk: Desk) -> None:
    desk.hear()
    done = threading.Event()
    run = desk.system.run

    def run_and_tell(*argv: str, **more: Any) -> str:
        output = run(*argv, **more)
        if "poweroff" in argv:
            done.set()
        return output

    desk.system.run = run_and_tell
    desk.ask(b'{"type":"poweroff"}\n')
    assert done.wait(LIMIT_S)
    assert desk.system.syncs == 1
    assert desk.system.commands[-1] == "systemctl poweroff --no-block"


def test_a_machine_is_parked_warmed_and_seeded(desk: Desk) -> None:
    desk.hear()
    desk.ask(b'{"type":"park"}\n')
    assert desk.hear() == {"type": "parked"}
    desk.ask(b'{"type":"status"}\n')
    assert desk.hear() == {**STATUS, "parked": True}
    desk.ask(b'{"type":"warm"}\n')
    assert desk.hear() == {"type": "warmed"}
    desk.ask(make_line())
    assert desk.hear_until("seeded", "error")[-1] == {"type": "seeded"}
    desk.ask(b'{"type":"status"}\n{"type":"park"}\n')
    assert desk.hear() == {**STATUS, "seeded": True, "server": "running"}
    refusal = desk.hear()
    assert (refusal["type"], refusal["phase"]) == ("error", "boot")


def test_a_failed_parking_is_an_error_of_the_boot(desk: Desk) -> None:
    desk.hear()
    desk.system.fail = {"zygote rehearse": "the disk is full"}
    desk.ask(b'{"type":"park"}\n')
    error = desk.hear()
    assert (error["type"], error["phase"]) == ("error", "boot")
    assert "the disk is full" in error["message"]


def test_the_home_is_frozen_and_thawed_also_while_a_seed_is_applied(desk: Desk) -> None:
    desk.hear()
    desk.ask(make_line())
    desk.hear_until("seeded", "error")
    desk.gate.open.clear()
    desk.gate.entered.clear()
    desk.ask(make_line())
    assert desk.gate.entered.wait(LIMIT_S)
    desk.ask(b'{"type":"freeze","limit_s":10}\n')
    assert desk.hear_until("frozen", "error")[-1] == {"type": "frozen"}
    desk.ask(b'{"type":"thaw"}\n')
    assert desk.hear_until("thawed")[-1] == {"type": "thawed", "was_frozen": True}
    desk.gate.open.set()
    assert desk.hear_until("seeded", "error")[-1] == {"type": "seeded"}


def test_a_frozen_home_does_not_hold_up_the_end(desk: Desk) -> None:
    desk.hear()
    desk.ask(make_line())
    desk.hear_until("seeded", "error")
    desk.ask(b'{"type":"freeze","limit_s":10}\n')
    assert desk.hear_until("frozen", "error")[-1] == {"type": "frozen"}
    off = threading.Event()
    desk.system.sync = off.set
    desk.ask(b'{"type":"poweroff"}\n')
    assert off.wait(LIMIT_S)
    assert not desk.system.frozen


def test_work_on_a_volume_that_is_not_there_is_an_error_of_its_own(desk: Desk) -> None:
    desk.hear()
    for word in (b'{"type":"freeze","limit_s":1}', b'{"type":"grow"}', b'{"type":"show"}'):
        desk.ask(word + b"\n")
        error = desk.hear()
        assert (error["type"], error["phase"]) == ("error", "volume")
    desk.ask(b'{"type":"thaw"}\n{"type":"hide"}\n')
    assert desk.hear() == {"type": "thawed", "was_frozen": False}
    assert desk.hear() == {"type": "hidden"}


FOREIGN = {
    "overflow": b'{"type":"warn","stop_at":%s}' % (b"9" * 400),
    "frozen for ever": b'{"type":"freeze","limit_s":%s}' % (b"9" * 400),
    "digits": b'{"type":"warn","stop_at":%s}' % (b"9" * 5000),
    "no object": b'["type"]',
    "type of numbers": b'{"type":{"type":1}}',
    "deep": b"[" * 100_000,
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("line", FOREIGN.values(), ids=FOREIGN)
def test_whatever_a_line_holds_the_next_one_is_answered(desk: Desk, line: bytes) -> None:
    desk.hear()
    desk.ask(make_line())
    desk.hear_until("seeded")
    desk.ask(line + b"\n")
    for _ in range(2):
        desk.ask(b'{"type":"activity"}\n')
        assert desk.hear_until("activity")[-1]["idle_s"] >= 0
    desk.ask(b'{"type":"status"}\n')
    assert desk.hear_until("status")[-1]["seeded"] is True


def test_a_mistake_of_the_agent_ends_no_thread(desk: Desk, monkeypatch) -> None:
    desk.hear()
    desk.ask(make_line())
    desk.hear_until("seeded")

    def broken(*_: Any) -> dict:
        raise ZeroDivisionError("a mistake")

    for name in ("answer_idle", "work_on_volume"):
        monkeypatch.setattr(agent_module, name, broken)
    for word in (b"activity", b"thaw"):
        desk.ask(b'{"type":"%s"}\n' % word)
        error = desk.hear_until("error")[-1]
        assert "ZeroDivisionError: a mistake" in error["message"]
    monkeypatch.setattr(agent_module, "parse_seed", broken)
    desk.ask(make_line())
    assert "ZeroDivisionError" in desk.hear_until("error")[-1]["message"]
    monkeypatch.undo()
    desk.ask(make_line())
    assert desk.hear_until("seeded", "error")[-1] == {"type": "seeded"}
    desk.ask(b'{"type":"thaw"}\n')
    assert desk.hear_until("thawed", "error")[-1] == {"type": "thawed", "was_frozen": False}
