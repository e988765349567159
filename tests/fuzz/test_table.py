"""No parser without a target, and no target that does not reach what it says that it tries."""

from __future__ import annotations

import logging

import pytest

from fuzz.reach import find_readers, reached
from fuzz.target import HERE, all_targets

WANTED = {
    "agent lines": {"agent-line", "agent-stream", "agent-bytes", "agent-words"},
    "what QEMU says": {"qemu-event"},
    "seed answers": {"seed", "agent-stream", "hub-env"},
    "the file server": {"roster", "roster-file", "share-file", "null-answer", "usage"},
    "reports and receipts": {"receipt-body", "progress-body", "idle-body", "renew-body",
                             "language-body", "ssh-key-body"},
    "archives": {"course-archive", "course-tar", "machine-archive", "machine-gzip", "home-names"},
    "notebooks": {"notebook", "checks-py", "cell"},
    "course.toml": {"course-toml", "toml-lines"},
    "lab.toml and other files of operators": {"lab-toml", "hub-url", "passwords", "recipe-toml",
                                              "lock-file", "apt-sources", "bench-result",
                                              "break-file", "hub-log", "rehearsal-toml"},
    "qcow2 and ext4 headers": {"qcow2", "ext4", "import-head"},
    "paths and names": {"course-paths", "snapshot-paths", "course-names", "names", "volume-names",
                        "kept-names", "proc-stat"},
    "what the hub wrote down": {"machine-record", "exit-report", "identity", "template-record",
                                "network-record", "pool-note", "image-manifest", "image-stamps",
                                "cli-file", "hub-lock", "lock-note", "loop-watch", "job-states",
                                "kin-key"},
    "what a hub answers": {"hub-listing", "hub-snapshots", "hub-address", "hub-hello"},
    "files of a trainee's": {"delivery-record", "delivery-words", "notices", "warning",
                             "kernel-request", "kernel-list", "answer-number", "break-until",
                             "server-trouble"},
    "the acquisition's wire": {"control-line", "control-peer", "control-facts", "naming-file",
                               "link-hello", "link-blocks", "link-header", "service-address"},
    "XML, topologies and commands": {"topology", "ada-integer", "shell-line", "shell-reply",
                                     "shell-proof",
                                     "argument", "run-file"},
    "frames, MFM and ADF": {"mfm", "adf", "events", "event-builder", "run-data", "spectrum"},
    "the kernel's own words, as far as their lengths lead": {"netlink"},
    "questions for names, and answers": {"name-question", "name-answer"},
    "SSH from outside": {"ssh-public-key", "ssh-request", "ssh-frames", "ssh-setup"},
    "what a rehearsal reads in and of machines": {"inventory", "user-data"},
    "JSON": {"json"},
}  # fmt: skip

_KERNEL = "the kernel's own words"
_OURS = "written by the same program a moment before"
_CHECKED = "a URL that `url_problem`, which is a target, has let pass"
_ANSWER = "an HTTP answer of our own hub: `load_json` is a target, the rest takes any JSON"

LEFT_OUT = {
    "vmlab.web.api.base:LabHandler.json_body": "needs a request; `load_json` and `bodies` do not",
    "vmlab.bench.group:_run_program": "the bench's own program, in the bench's own machine",
    "vmlab.bench.kernel:execute": "the bench's own kernel",
    "vmlab.cli.bench:show": "reads the file for `parse_json`",
    "vmlab.cli.outside:_Asker.ask_plain": _CHECKED,
    "vmlab.cli.outside:_Asker.visit": _CHECKED,
    "vmlab.cli.reach:_advice": _CHECKED,
    "vmlab.cli.reach:_header_findings": _CHECKED,
    "vmlab.cli.reach:_machine_findings": _CHECKED,
    "vmlab.lab.hub_address:HubAddress.name": _CHECKED,
    "vmlab.lab.hub_address:HubAddress.public_port": _CHECKED,
    "vmlab.lab.hub_address:HubAddress.stays_on_host": _CHECKED,
    "vmlab.lab.origins:make_origins": _CHECKED,
    "vmlab.lab.origins:public_hosts": _CHECKED,
    "vmlab.network.web_servers.site:make_site": _CHECKED,
    "vmlab.hub.client:HubClient._ask": _ANSWER,
    "vmlab.hub.client:HubClient.progress": _ANSWER,
    "vmlab.hub.answers:find_reason": _ANSWER,
    "vmlab.images.bootstrap:make_payload": "writes",
    "vmlab.images.inside:main": _OURS,
    "vmlab.images.lab_files:pack_lab_files": "the tree that this build has just made",
    "vmlab.images.tree:extract": "the tree that this build has just made",
    "vmlab.images.tree:read_tree": "the tree that this build has just made",
    "vmlab.providers.fake.faults:read_faults": "the tests' own",
    "vmlab.providers.qemu.process.accelerator:_cached_verdict": "any JSON is not a verdict",
    "vmlab.providers.qemu.process.admission:_read_notes": _OURS,
    "vmlab.providers.qemu.process.handout:_answer": _KERNEL,
    "vmlab.providers.qemu.process.launch:_read_word": _OURS,
    "vmlab.providers.qemu.process.neighbours:_ask": "the host's own ip(8)",
    "vmlab.network.relay:find_peer": _KERNEL,
    "vmlab.providers.qemu.network.bridge:parse_elements": "the host's own nft(8)",
    "vmlab.providers.qemu.network.keeper:Keeper._answer": "of its own user, who is our hub",
    "vmlab.providers.qemu.network.keeper:main": _OURS,
    "vmlab.providers.qemu.network.measuring:_measure_apart": _OURS,
    "vmlab.providers.qemu.network.measuring:_measure_link": _OURS,
    "vmlab.providers.qemu.process.gate:main": _OURS,
    "vmlab.providers.qemu.process.gate:start_gate": _OURS,
    "vmlab.providers.qemu.network.launching:_receive": _OURS,
    "vmlab.providers.qemu.network.launching:_tell": _OURS,
    "vmlab.providers.qemu.network.launching:try_host": _OURS,
    "vmlab.providers.qemu.process.shim:main": _OURS,
    "vmlab.network.uplink:_set_up_loopback": _KERNEL,
    "lab.look:addresses": _KERNEL,
    "vmlab.rehearsal.configuration:_pack": "writes",
    "vmlab.ssh.control:JumpControl._ask": "the hub's own jump host",
    "vmlab.ssh.program:open_hub": "needs a hub; what it reads of one is a target",
    "vmlab.ssh.program:open_socket": "the user's own environment",
    "vmlab.ssh.service:main": _OURS,
    "vmlab_guest.agent:Agent._take_line": "needs a port; what it calls are targets",
    "vmlab_guest.courses.follow:Follower._fetch": "calls `unpack`, which is a target",
    "vmlab_guest.hub:Hub._request": "needs a hub; `_connect` and `_decode` do not",
    "vmlab_guest.hub:_refusal": _ANSWER,
    "vmlab_guest.offline:_read": "of apt, which runs it as root",
    "vmlab_guest.play:read_code": "of a trainer's own notebook, for tests of courses",
    "vmlab_guest.dry_run:_SimulatedHub.do_GET": "the dry run simulates both sides",
    "vmlab_guest.dry_run:_use_kernel": "the dry run simulates both sides",
    "vmlab_guest.rtnetlink:Rtnetlink._ask": _KERNEL,
    "vmlab_guest.rtnetlink:_split_attributes": _KERNEL,
    "vmlab_guest.rtnetlink:parse_address": _KERNEL,
    "vmlab_guest.system:_hurry": _KERNEL,
    "vmlab_guest.standby:_await_call": "of the zygote, its parent",
    "vmlab_guest.standby:_become": "of the zygote, its parent",
    "narval.actors.rate:RateConsumer.consume": "eight bytes of any value are a number",
    "narval.links.writer:LinkWriter.filled_bytes": _KERNEL,
}
"""Functions that read raw data and are in no target, and why."""


@pytest.fixture(scope="module")
def reached_by():
    """What each target's corpus reaches."""
    logging.disable()

    def reach(found):
        return reached(lambda: [found.run(path.read_bytes()) for path in found.corpus])

    yield {name: reach(found) for name, found in all_targets().items()}
    logging.disable(logging.NOTSET)


def test_every_kind_of_input_has_its_targets():
    assert set().union(*WANTED.values()) == set(all_targets())


def test_every_target_reaches_its_parsers(reached_by):
    missed = {name: set(found.parsers) - reached_by[name] for name, found in all_targets().items()}
    assert {name: parsers for name, parsers in missed.items() if parsers} == {}
    assert all(found.parsers for found in all_targets().values())


def test_whatever_reads_raw_data_has_a_target(reached_by):
    readers, everywhere = set(find_readers()), set().union(*reached_by.values())
    assert readers - everywhere == set(LEFT_OUT)


def test_corpus_and_cases_belong_to_targets():
    assert {path.name for path in (HERE / "corpus").iterdir()} == set(all_targets())
    assert {path.name for path in (HERE / "cases").iterdir()} <= set(all_targets())
