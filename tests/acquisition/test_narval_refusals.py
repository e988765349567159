"""What `configure` refuses, `topology check` tells before: each refusal is played through both."""

from __future__ import annotations

import pytest

from acquisition.programs import SOURCES, run, service
from narval.client import SyncSubSystem
from narval.control.peer import RemoteError

WRITER = (
    "<consumer><name>{name}</name><hostname>{host}</hostname><binary_code>{code}</binary_code>"
    '<data_source source_port="{port}" source_buffer="data">source</data_source>{more}</consumer>'
)


def consumer(name="disk", host="localhost", code="file_writer", more="", port="fifo"):
    arguments = "".join(f"<argument>{each}</argument>" for each in more.split())
    return WRITER.format(name=name, host=host, code=code, more=arguments, port=port)


def topology(*consumers, host="localhost", code="data_rate_producer", more="", port="fifo"):
    arguments = "".join(f"<argument>{each}</argument>" for each in more.split())
    return (
        f"<configuration>\n<producer><name>source</name><hostname>{host}</hostname>"
        f"<binary_code>{code}</binary_code><output_buffer_name>data</output_buffer_name>"
        f'<size output_buffer="data">65536</size><port output_buffer="data">{port}</port>'
        f"{arguments}</producer>\n" + "\n".join(consumers) + "\n</configuration>\n"
    )


REFUSED = {
    "a program": (topology(consumer(code="file_writre")), 3, "did you mean file_writer"),
    "a role": (topology(consumer(), code="histogrammer"), 2,
               "histogrammer is a program for the role consumer, not for producer"),
    "a role of nothing here": (
        topology("<stand_alone_actor><name>alone</name><hostname>localhost</hostname>"
                 "<binary_code>event_builder</binary_code></stand_alone_actor>"), 3,
        "event_builder is a program for the role intermediary, not for stand_alone_actor"),
    "an argument's name": (topology(consumer(more="splitbytes=5000")), 3,
                           "there is no parameter 'splitbytes'"),
    "an argument's value": (topology(consumer(), more="blocks_per_s=many"), 2,
                            "blocks_per_s: 'many' is not a"),
    "an argument's bounds": (topology(consumer(more="split_bytes=1")), 3, "from 64"),
    "an argument's choice": (topology(consumer(more="format=root")), 3, "mfm or adf"),
    "an argument's form": (topology(consumer(more="check")), 3, "not of the form NAME=VALUE"),
    "a file's name": (topology(consumer(more="file=../elsewhere")), 3, "beginning of a file"),
    "fan_out": (topology(consumer(), more="fan_out=all"), 2, "fan_out: 'all' is not broadcast or"),
    "two writers of one file": (topology(consumer("a"), consumer("b")), 4,
                                "'b' would write the same files as 'a', data-000.mfm"),
    "a host's name": (topology(consumer(host="-oProxyCommand=x")), 3,
                      "is not a host name or address"),
    "an unknown host": (topology(consumer(host="none.invalid", port="eth0"),
                                 host="none.invalid", port="eth0"), 2,
                        "the host 'none.invalid' is not known"),
    "a fifo between hosts": (topology(consumer(host="none.invalid")), 3, "does not leave its host"),
    "a source": (topology(consumer().replace(">source<", ">sauce<")), 3, "not an actor here"),
}  # fmt: skip


@pytest.fixture(scope="module")
def sub_system(tmp_path_factory):
    """A sub-system in state Initial with the real actors."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "runtime").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NARVAL_CONFIG", str(folder / "config"))
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("PYTHONPATH", str(SOURCES))
        with service("narval_naming_service", "--port", "0") as naming:
            patch.setenv("NARVAL_NAMING_SERVICE", f"127.0.0.1:{naming.port}")
            with service("narval_coordinator", "tandem"):
                client = SyncSubSystem.find("tandem")
                yield client
                client.close()


@pytest.mark.parametrize("refusal", REFUSED)
def test_what_configure_refuses_is_found_by_check(sub_system, refusal, tmp_path):
    text, line, message = REFUSED[refusal]
    file = tmp_path / "tandem.xml"
    file.write_text(text)
    sub_system.set_configuration_file(str(file))
    with pytest.raises(RemoteError) as refused:
        sub_system.act("configure")
    assert message in str(refused.value)
    checked = run("narval", "topology", "check", str(file))
    assert checked.returncode == 1
    told = [each for each in checked.stderr.splitlines() if message in each]
    assert told, checked.stderr
    assert told[0].startswith(f"{file}:{line}: ")


def test_all_refusals_of_a_file_are_told_at_once(tmp_path):
    file = tmp_path / "many.xml"
    file.write_text(topology(consumer("a", more="check=maybe split_bytes=1"), consumer("b"),
                             consumer("c", code="event_builder"), code="nothing"))  # fmt: skip
    told = run("narval", "topology", "check", str(file)).stderr.splitlines()
    assert [line.split(":")[1] for line in told] == ["2", "3", "3", "4", "5"]


def test_names_of_this_host_are_one_host(sub_system, tmp_path):
    file = tmp_path / "here.xml"
    file.write_text(topology(consumer("a", "127.0.0.1"), consumer("b", "LOCALHOST", more="file=b")))
    checked = run("narval", "topology", "check", str(file))
    assert (checked.returncode, checked.stderr) == (0, "")
    sub_system.set_configuration_file(str(file))
    try:
        for action in ("configure", "load", "initialise"):
            sub_system.act(action)
    finally:
        sub_system.act("reset_com")
        sub_system.act("unload")
        sub_system.act("unconfigure")
