"""`lab` in a real Jupyter kernel, with a real server for its reports."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from fakes.small_hub import SmallHub
from vmlab_guest.play import RESULT_MIME, play

WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
CHECKS = """\
from pathlib import Path
from lab import failed, passed, step

MARK = Path(__file__).with_name("mark")

@step("mark")
def mark():
    return passed("Well done.", "Bravo.") if MARK.exists() else failed("No mark.", "Pas de marque.")

@step("answer")
def answer(value):
    return passed() if value == 42 else failed("Not `42`.", "Pas `42`.")

@step("raises")
def raises():
    raise RuntimeError("oh dear")
"""


@dataclass
class Machine:
    root: Path
    home: Path
    hub: SmallHub

    @property
    def folder(self) -> Path:
        return self.home / "first/01-who"

    @property
    def original(self) -> Path:
        return self.root / "var/lib/vmlab/courses/first/1/01-who"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with SmallHub() as hub:
        machine = Machine(tmp_path / "root", tmp_path / "home", hub)
        machine.folder.mkdir(parents=True)
        machine.original.mkdir(parents=True)
        (machine.original / "checks.py").write_text(CHECKS)
        (machine.root / "run/vmlab/notices-seen").mkdir(parents=True)
        (machine.root / "run/vmlab/language").write_text("fr\n")
        for name, value in {
            **hub.env,
            "HOME": str(machine.home),
            "VMLAB_ROOT": str(machine.root),
            "VMLAB_LANGUAGE": "",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }.items():
            monkeypatch.setenv(name, value)
        yield machine


class Kernel:
    """A real kernel, spoken to as a notebook's front end does."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(folder))
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def __call__(self, code: str) -> list[dict[str, Any]]:
        """Run a cell; return everything that was published until it had ended."""
        return self.listen(self.client.execute(code))

    def click(self, comm: str) -> list[dict[str, Any]]:
        """Press a button; return what was published until the kernel had reacted."""
        return self._tell(comm, {"method": "custom", "content": {"event": "click"}})

    def update(self, comm: str, state: dict[str, Any]) -> list[dict[str, Any]]:
        """Change a widget as the front end does; return what was published thereupon."""
        return self._tell(comm, {"method": "update", "state": state, "buffer_paths": []})

    def _tell(self, comm: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.client.shell_channel.send(message)
        return self.listen(message["header"]["msg_id"])

    def listen(self, request: str) -> list[dict[str, Any]]:
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            messages.append(message)
            ended = message["content"].get("execution_state") == "idle"
            if ended and message["parent_header"].get("msg_id") == request:
                return messages


@pytest.fixture
def run(machine: Machine) -> Iterator[Kernel]:
    kernel = Kernel(machine.folder)
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


def displays(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]


def widget_values(messages: list[dict[str, Any]]) -> list[str]:
    opened = [m["content"]["data"]["state"] for m in messages if m["msg_type"] == "comm_open"]
    return [state["value"] for state in opened if "value" in state]


def widget_updates(messages: list[dict[str, Any]]) -> list[str]:
    states = [
        m["content"]["data"].get("state", {}) for m in messages if m["msg_type"] == "comm_msg"
    ]
    return [state["value"] for state in states if "value" in state]


def errors(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [m["content"] for m in messages if m["msg_type"] in {"error", "stream"}]


def test_a_check_is_shown_as_a_widget_and_reported(machine: Machine, run: Kernel) -> None:
    messages = run('from lab import check\ncheck("mark")')
    (shown,) = displays(messages)
    assert shown["text/plain"] == "✗ Pas encore (étape mark)\u202f: Pas de marque."
    assert WIDGET_MIME in shown
    assert shown[RESULT_MIME]["passed"] is False
    assert any("Pas de marque." in value for value in widget_values(messages))
    machine.hub.wait_for(lambda state: len(state.progress) == 1)
    (machine.original / "mark").write_text("")
    (shown,) = displays(run('check("mark")'))
    assert shown["text/plain"] == "✓ Réussi (étape mark)\u202f: Bravo."
    machine.hub.wait_for(lambda state: len(state.progress) == 2)
    place = {"course": "first", "exercise": "01-who", "step": "mark"}
    assert machine.hub.state.progress == [{**place, "passed": False}, {**place, "passed": True}]


def test_the_button_looks_again(machine: Machine, run: Kernel) -> None:
    messages = run('from lab import check\ncheck("mark")')
    (button,) = [
        m["content"]["comm_id"]
        for m in messages
        if m["msg_type"] == "comm_open"
        and m["content"]["data"]["state"]["_model_name"] == "ButtonModel"
    ]
    (machine.original / "mark").write_text("")
    assert any("Bravo." in value for value in widget_updates(run.click(button)))
    machine.hub.wait_for(lambda state: len(state.progress) == 2)


def test_answers_and_language(machine: Machine, run: Kernel) -> None:
    (shown,) = displays(run('from lab import check\ncheck("answer", 41)'))
    assert shown["text/plain"].endswith("Pas `42`.")
    (shown,) = displays(run('%env VMLAB_LANGUAGE=en\ncheck("answer", 42)'))
    assert shown["text/plain"] == "✓ Passed (step answer)"


def test_no_stack_trace_when_a_check_breaks(machine: Machine, run: Kernel) -> None:
    messages = run('from lab import check\ncheck("raises")\ncheck("nosuch")')
    assert errors(messages) == []
    assert [data[RESULT_MIME]["passed"] for data in displays(messages)] == [False, False]
    assert "oh dear" in (machine.home / ".local/state/vmlab/lab.log").read_text()
    assert machine.hub.state.progress == []


def test_a_hub_that_is_away_is_a_quiet_note(machine: Machine, run: Kernel) -> None:
    machine.hub.state.fail_next = 1
    messages = run('from lab import check\ncheck("mark")')
    assert errors(messages) == []
    wait = "import threading\n[t.join() for t in threading.enumerate() if t.name == 'report']"
    updates = widget_updates(messages + run(wait))
    assert any("pas pu être transmis" in value for value in updates)


def test_outside_an_exercise(machine: Machine, run: Kernel) -> None:
    messages = run('%cd -q ~\nfrom lab import check\ncheck("mark")')
    (shown,) = displays(messages)
    assert "dossier d'un exercice" in shown["text/plain"]
    assert machine.hub.state.progress == []


def test_notices_are_shown_once(machine: Machine, run: Kernel) -> None:
    table = [{"id": "ab12", "en": "New.", "fr": "Le système est <neuf>."}]
    (machine.root / "run/vmlab/notices.json").write_text(json.dumps(table))
    (shown,) = displays(run("import lab"))
    assert "Le système est &lt;neuf&gt;." in shown["text/html"]
    assert (machine.root / "run/vmlab/notices-seen/ab12").exists()
    again = run("import importlib, lab.notices\nlab.notices.show_unread()")
    assert displays(again) == []


SNAPSHOT = "hourly-20261127T140000Z"


@pytest.fixture
def snapshot(machine: Machine) -> Path:
    """A snapshot that the hub has; it is there when it was opened."""
    mountinfo = machine.root / "proc/self/mountinfo"
    mountinfo.parent.mkdir(parents=True)
    mountinfo.write_text("22 1 254:0 / / rw - ext4 /dev/vda rw\n")
    top = machine.root / "snapshots" / SNAPSHOT
    (top / "work").mkdir(parents=True)
    (top / "work/<b>.txt").write_text("old")

    def plug_in(name: str) -> None:
        line = f"30 22 254:32 / /snapshots/{name} ro - ext4 /dev/vdc ro\n"
        mountinfo.write_text(mountinfo.read_text() + line)

    machine.hub.state.snapshots = {SNAPSHOT: 1_795_788_000.0}
    machine.hub.state.on_open = plug_in
    return top


def models(messages: list[dict[str, Any]], name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return comm and state of the widgets of this kind that were made."""
    opened = [m["content"] for m in messages if m["msg_type"] == "comm_open"]
    states = [(c["comm_id"], c["data"]["state"]) for c in opened]
    return [(comm, state) for comm, state in states if state["_model_name"] == name]


def test_an_earlier_state_is_opened_looked_through_and_restored_from(
    machine: Machine, run: Kernel, snapshot: Path
) -> None:
    home = machine.root / "home/trainee/work"
    home.mkdir(parents=True)
    (home / "<b>.txt").write_text("new")
    messages = run("import lab\nlab.snapshots()")
    assert errors(messages) == []
    (shown,) = displays(messages)
    assert "· toutes les heures" in shown["text/plain"]
    buttons = {state["description"]: comm for comm, state in models(messages, "ButtonModel")}
    ((listing, _),) = models(messages, "SelectMultipleModel")
    run.click(buttons["Ouvrir"])
    run.update(listing, {"index": [0]})
    updates = widget_updates(run.click(buttons["Ouvrir le dossier"]))
    assert updates == ["<code>~/work/</code>"]
    run.update(listing, {"index": [0]})
    (told,) = widget_updates(run.click(buttons["Restaurer"]))
    assert "1 restauré(s)" in told
    assert "&lt;b&gt;.kept-" in told
    assert (home / "<b>.txt").read_text() == "old"
    (kept,) = home.glob("*.kept-*")
    assert kept.read_text() == "new"


def test_no_hub_and_no_earlier_state_are_said(machine: Machine, run: Kernel) -> None:
    (said,) = errors(run("import lab\nlab.snapshots()"))
    assert "pas encore d'état antérieur" in said["text"]
    machine.hub.state.fail_next = 1
    (said,) = errors(run("lab.snapshots()"))
    assert "ne sont pas accessibles" in said["text"]


def test_play_tells_what_a_notebook_does(machine: Machine, tmp_path: Path) -> None:
    cells = ["from lab import check", 'check("answer", 42)', "1/0", "print('on')", 'check("mark")']
    notebook = tmp_path / "n.ipynb"
    source = [{"cell_type": "code", "source": [cell]} for cell in cells]
    notebook.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": []}, *source]}))
    played = play(notebook, machine.folder, 60)
    assert [(c["step"], c["passed"]) for c in played.checks] == [("answer", True), ("mark", False)]
    assert played.errors == ["cell 3: ZeroDivisionError: division by zero"]
    assert played.output == "on\n"
    assert played.cells == 5
