"""A rehearsal with machines that do not exist: its order, its failures, its end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from fakes.benches import open_bench
from vmlab.cli.rehearse import first_group
from vmlab.errors import ImageError, ProviderError
from vmlab.groups.rules import group_rules
from vmlab.lab.lab import parse_lab
from vmlab.lab.machines import Readiness
from vmlab.providers.fake import FakeProvider
from vmlab.rehearsal.description import Check, Copy, Description, Host, Package, Playbook
from vmlab.rehearsal.driver import Rehearsal
from vmlab.rehearsal.inventory import make_question
from vmlab.rehearsal.plan import Plan, Preparation
from vmlab.rehearsal.report import Kind, Outcome, Report, Step
from vmlab_protocol.phases import Phase

LAB = """
[lab]
name = "farm"
[machine]
after = ["node"]
[[node]]
count = 2
after = ["server"]
[server]
image = "desk"
volume = "1G"
files = true
ready = { port = 2049 }
[provider]
name = "fake"
"""
LABELS = ("desk", "node1", "node2", "server")
PARSED = parse_lab(LAB, Path("lab.toml"))
GROUP = first_group(PARSED)
NAMES = {member.label: member.spec.name for member in GROUP.members}


def answer(label: str, packages: str = "") -> dict[str, str]:
    """What a machine says that is as described."""
    member = GROUP.get(label)
    host = f"name {member.spec.host_name}\ncpus {member.spec.cpus}\nmemory 500000\n"
    return {"output": f"== ports\n== packages\n{packages}== services\n== host\n{host}"}


@pytest.fixture
async def bench():
    async with open_bench("fake", None, None) as made:
        yield made


class Machines(FakeProvider):
    """Machines whose inventories are as described, unless a test says otherwise."""

    def __init__(self, settings):
        super().__init__(settings)
        self.answers = {NAMES[label]: answer(label) for label in LABELS}
        self.begun: list[str] = []
        self.hang = ""  # a word in a command that then never ends
        self.hangs = asyncio.Event()
        self.starting = asyncio.Event()

    async def run(self, name, command, *, limit_s):
        ran = await super().run(name, command, limit_s=limit_s)
        if self.hang and self.hang in command:
            self.hangs.set()
            await asyncio.Event().wait()
        if command.startswith("export LC_ALL=C"):
            return type(ran)(0, self.answers[name]["output"])
        return ran

    async def start(self, spec, seed):
        self.begun.append(spec.name)
        async for event in super().start(spec, seed):
            if event.phase is Phase.BOOT:
                self.starting.set()
            yield event


@pytest.fixture
def machines(bench):
    return bench.another(Machines)


def set_faults(bench, **faults: object) -> None:
    (bench.settings.state / "fake.json").write_text(json.dumps(faults))


def make_plan(machines, description: Description, group=GROUP, **more) -> Plan:
    database = machines.volumes.context.paths.database
    rules, user = group_rules(PARSED), group.desk.spec.owner
    return Plan("farm", rules, user, group, description, database, **more)


async def rehearse(machines, description: Description, *, keep=False, stop=None, **more) -> Report:
    plan = make_plan(machines, description, **more)
    told: list[Step] = []
    rehearsal = Rehearsal(machines, plan, tell=lambda _: None, done=told.append)
    async with asyncio.timeout(60):
        report = await rehearsal.run(stop or asyncio.Event(), keep=keep)
    assert told == list(report.steps), "whoever watches sees what the report has"
    return report


def outcomes(report: Report, kind: Kind) -> dict[str, Outcome]:
    return {step.what: step.outcome for step in report.steps if step.kind is kind}


def all_of(outcome: Outcome, labels=LABELS) -> dict[str, Outcome]:
    return dict.fromkeys(labels, outcome)


CHECKS = (Check("runs", "node1", "true --all-well"), Check("as trainee", "desk", "id", "trainee"))


async def test_a_group_is_started_in_order_looked_at_and_removed(machines):
    report = await rehearse(machines, Description(checks=CHECKS))
    assert report.is_good
    for kind in (Kind.START, Kind.COMPARE):
        assert outcomes(report, kind) == all_of(Outcome.DONE)
    assert outcomes(report, Kind.CHECK) == all_of(Outcome.DONE, ("runs", "as trainee"))
    assert outcomes(report, Kind.TAKE_DOWN) == all_of(Outcome.DONE, (*LABELS, "network"))
    assert machines.begun[0] == NAMES["server"]
    assert machines.begun[-1] == NAMES["desk"]
    assert set(machines.begun[1:3]) == {NAMES["node1"], NAMES["node2"]}
    assert await machines.status() == {}
    assert await machines.networks() == []
    ran = [(name, command) for name, command in machines.ran if not command.startswith("export")]
    assert ran[-2:] == [
        (NAMES["node1"], "true --all-well"),
        (NAMES["desk"], "runuser -l trainee -c id"),
    ]
    assert [(m.name, m.role, m.image) for m in report.machines] == [
        ("desk", "desk", "desk fake"),
        ("node1", "node", "desk fake"),
        ("node2", "node", "desk fake"),
        ("server", "server", "desk fake"),
    ]
    assert len({m.address for m in report.machines}) == 4


async def test_what_comes_after_a_machine_that_failed_is_skipped_and_all_is_removed(
    bench, machines
):
    set_faults(bench, runs={NAMES["server"]: {"status": 1}}, delays_s={})
    member = GROUP.get("server")
    hurried = Readiness(port=2049, within_s=0.2)
    group = type(GROUP)((*GROUP.own, type(member)("server", member.spec, (), hurried)))
    plan = make_plan(machines, Description(checks=CHECKS), group)
    rehearsal = Rehearsal(machines, plan, tell=print, done=print)
    report = await rehearsal.run(asyncio.Event(), keep=True)
    assert outcomes(report, Kind.START) == {
        "server": Outcome.FAILED,
        **all_of(Outcome.SKIPPED, ("node1", "node2", "desk")),
    }
    (failed,) = report.failed
    assert "not ready within 0 s by port 2049" in failed.message
    assert set(outcomes(report, Kind.CHECK).values()) == {Outcome.SKIPPED}
    assert {(each.machine, each.found) for each in report.differences} == {
        (label, "absent") for label in LABELS
    }
    assert not report.is_kept, "a group that is not whole is nothing to look into"
    assert await machines.status() == {}


async def test_hosts_are_configured_and_what_fails_is_told_with_the_end_of_its_log(
    bench, machines, tmp_path
):
    (tmp_path / "node.yaml").write_text("#cloud-config\n")
    (tmp_path / "site.yml").write_text("- hosts: nodes\n")
    description = Description(
        (
            Host(("node1", "node2"), (Copy(tmp_path, "/opt/farm"),), tmp_path / "node.yaml"),
            Host(("desk",), packages=(Package("gcc"),)),
        ),
        Playbook("node1", tmp_path / "site.yml"),
        CHECKS,
    )
    set_faults(bench, runs={"true --all-well": {"status": 2, "output": "first\nlast\n"}})
    report = await rehearse(machines, description)
    configured = outcomes(report, Kind.CONFIGURE)
    assert configured == all_of(Outcome.DONE, ("node1", "node2", "site.yml from node1"))
    (failed,) = report.failed
    assert (failed.what, failed.log) == ("runs", "first\nlast")
    assert failed.message == f"{NAMES['node1']}: its command ended with status 2"
    assert outcomes(report, Kind.CHECK)["as trainee"] is Outcome.DONE, "one tells nothing of others"
    (difference,) = report.differences
    assert (difference.machine, difference.what, difference.found) == ("desk", "gcc", "absent")
    played = [(name, c) for name, c in machines.ran if "ansible-playbook -i" in c]
    assert [name for name, _ in played] == [NAMES["node1"]]
    applied = {name for name, command in machines.ran if "vmlab_guest.user_data" in command}
    assert applied == {NAMES["node1"], NAMES["node2"]}


async def test_no_playbook_is_run_where_something_before_it_failed(machines, tmp_path):
    (tmp_path / "site.yml").touch()
    description = Description(
        (Host(("node1",), (Copy(tmp_path / "absent", "/opt/a"),)),),
        Playbook("node1", tmp_path / "site.yml"),
    )
    report = await rehearse(machines, description)
    assert outcomes(report, Kind.CONFIGURE) == {
        "node1": Outcome.FAILED,
        "site.yml from node1": Outcome.SKIPPED,
    }
    assert outcomes(report, Kind.COMPARE) == all_of(Outcome.DONE)


@pytest.mark.parametrize("keep", [False, True])
async def test_whoever_stops_it_gets_a_report_of_what_was_done(machines, keep):
    machines.hang = "true --all-well"
    stop = asyncio.Event()

    async def stop_it():
        await machines.hangs.wait()
        stop.set()

    stopping = asyncio.create_task(stop_it())
    report = await rehearse(machines, Description(checks=CHECKS), stop=stop, keep=keep)
    await stopping
    assert outcomes(report, Kind.CHECK) == {"runs": Outcome.STOPPED}
    assert not report.is_good
    assert report.is_kept is keep
    assert bool(await machines.status()) is keep


async def test_a_start_that_is_stopped_is_taken_down_even_if_it_is_to_be_kept(bench, machines):
    set_faults(bench, hang_at="boot")
    stop = asyncio.Event()
    rehearsing = asyncio.create_task(rehearse(machines, Description(), stop=stop, keep=True))
    await machines.starting.wait()
    stop.set()
    report = await rehearsing
    assert Outcome.STOPPED in outcomes(report, Kind.START).values()
    assert await machines.status() == {}


async def test_a_caller_that_is_cancelled_leaves_nothing_behind(machines):
    machines.hang = "true --all-well"
    task = asyncio.create_task(rehearse(machines, Description(checks=CHECKS)))
    await machines.hangs.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await machines.status() == {}


async def test_machines_that_are_kept_are_found_again(machines):
    kept = await rehearse(machines, Description(), keep=True)
    assert kept.is_kept
    assert Kind.TAKE_DOWN not in {step.kind for step in kept.steps}
    running = {name for name, each in (await machines.status()).items() if each.state.is_on}
    assert running == set(NAMES.values())
    again = await rehearse(machines, Description())
    assert again.is_good
    assert await machines.status() == {}


async def test_without_an_image_nothing_is_started(machines):
    async def build():
        raise ImageError("desk: the build failed\nE: no such package")

    image = Preparation("image desk", build)
    report = await rehearse(machines, Description(), prepare=(image,))
    assert machines.begun == []
    assert (report.failed[0].message, report.failed[0].log) == (
        "desk: the build failed",
        "E: no such package",
    )


async def test_without_a_template_machines_are_started_and_it_is_told(machines):
    async def make():
        raise ImageError("the template could not be made")

    template = Preparation("template", make, is_needed=False)
    report = await rehearse(machines, Description(), prepare=(template,))
    assert outcomes(report, Kind.START) == all_of(Outcome.DONE)
    assert [step.what for step in report.failed] == ["template"]


async def test_what_cannot_be_taken_down_is_told_and_counts_as_kept(machines):
    async def delete(name: str) -> None:
        if name == NAMES["node2"]:
            raise ProviderError(name, "it could not be stopped")
        await type(machines).delete(machines, name)

    machines.delete = delete
    report = await rehearse(machines, Description())
    assert report.is_kept
    assert outcomes(report, Kind.TAKE_DOWN)["node2"] is Outcome.FAILED
    assert set(await machines.status()) == {NAMES["node2"]}
    del machines.delete


async def test_a_mistake_of_ours_is_raised_when_all_is_taken_down(machines):
    async def build():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await rehearse(machines, Description(), prepare=(Preparation("image desk", build),))
    assert await machines.status() == {}


def test_a_question_is_never_taken_for_a_check():
    assert make_question(Host(("desk",))).startswith("export LC_ALL=C")
