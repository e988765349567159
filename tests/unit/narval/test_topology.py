"""Topologies: both dialects read, written, and every mistake named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.errors import TopologyError
from narval.topology.model import (
    PORTS,
    Actor,
    DataSource,
    LogLevel,
    OutputBuffer,
    Role,
    Topology,
)
from narval.topology.numerals import format_ada_integer, parse_ada_integer
from narval.topology.read import parse_topology, read_topology
from narval.topology.write import format_topology

# The wiki's example, as it stands there.
WIKI = b"""<configuration>
  <producer>
    <name>data_transmitter</name>
    <hostname>localhost</hostname>
    <binary_code>generic_producer</binary_code>
    <output_buffer_name>data</output_buffer_name>
    <size output_buffer="data">1_000_000</size>
    <port output_buffer="data">fifo</port>
    <log_level>info</log_level>
  </producer>
  <intermediary input_buffers="1" output_buffers="1">
    <name>data_filter</name>
    <hostname>localhost</hostname>
    <binary_code>generic_filter</binary_code>
    <data_source source_port="fifo" source_buffer="data">data_transmitter</data_source>
    <output_buffer_name>data_filtered</output_buffer_name>
    <size output_buffer="data_filtered">1_000_000</size>
    <port output_buffer="data_filtered">fifo</port>
  </intermediary>
  <consumer>
    <name>data_receiver</name>
    <hostname>localhost</hostname>
    <binary_code>generic_consumer</binary_code>
    <data_source source_port="fifo" source_buffer="data_filtered">data_filter</data_source>
    <debug>info</debug>
  </consumer>
</configuration>
"""

OLD = b"""<Configuration>
  <PRODUCER>
    <Name>reader</Name><Hostname>vme1</Hostname><Binary_Code>vme_reader</Binary_Code>
    <Debug>Warn</Debug>
    <Argument>--card</Argument><Argument>3</Argument>
    <Output_Buffer_Name>raw</Output_Buffer_Name>
    <Size>65536</Size>
    <Port>Eth0</Port>
  </PRODUCER>
  <Consumer>
    <Name>disk</Name><Hostname>store</Hostname><Binary_Code>file_writer</Binary_Code>
    <Data_Source>reader</Data_Source>
  </Consumer>
</Configuration>
"""


def test_the_example_of_the_wiki():
    topology = parse_topology(WIKI, "t.xml")
    assert [a.role for a in topology.actors] == [Role.PRODUCER, Role.INTERMEDIARY, Role.CONSUMER]
    (buffer,) = topology.actor("data_transmitter").outputs
    assert (buffer.name, buffer.size_bytes, buffer.port) == ("data", 1_000_000, "fifo")
    (source,) = topology.actor("data_receiver").sources
    assert (source.actor, source.buffer, source.port) == ("data_filter", "data_filtered", "fifo")


def test_the_old_dialect():
    topology = parse_topology(OLD, "t.xml")
    reader = topology.actor("reader")
    assert reader.arguments == ("--card", "3")
    assert reader.log_level is LogLevel.WARN
    assert reader.outputs[0].port == "eth0"


MISTAKES = [
    (b"<configuration", 1, "no well-formed XML"),
    (b"<config/>", 1, "must hold <configuration>"),
    (b"<configuration/>", 1, "no actor"),
    (b"<!DOCTYPE x [<!ENTITY a 'b'>]>\n<configuration/>", 1, "document type declaration"),
    (WIKI.replace(b"<producer>", b"<produser>").replace(b"</producer>", b"</produser>"), 2,
     "did you mean <producer>"),
    (WIKI.replace(b"hostname>localhost</hostname", b"hostnam>localhost</hostnam", 1), 2,
     "lacks <hostname>"),
    (WIKI.replace(b"1_000_000", b"1__000", 1), 7, "not a whole number"),
    (WIKI.replace(b"1_000_000", b"0", 1), 7, "must be 1 to"),
    (WIKI.replace(b">fifo<", b">fifa<", 1), 8, "'fifa' is not a port"),
    (WIKI.replace(b'input_buffers="1"', b'input_buffers="2"'), 11, "but 1 are described"),
    (WIKI.replace(b">data_transmitter</data_source", b">nobody</data_source"), 15,
     "not an actor here"),
    (WIKI.replace(b'source_buffer="data"', b'source_buffer="dat"'), 15, "whose buffers: data"),
    (WIKI.replace(b'source_port="fifo" source_buffer="data"',
                  b'source_port="eth0" source_buffer="data"'), 15, "written through fifo"),
    (WIKI.replace(b"<hostname>localhost", b"<hostname>other", 1), 15, "does not leave its host"),
    (WIKI.replace(b"fifo", b"eth0").replace(b"<hostname>localhost", b"<hostname>other", 2).replace(
        b"<hostname>other", b"<hostname>localhost", 1), 15, "write that host's name"),
    (WIKI.replace(b"data_filter</name", b"data_transmitter</name"), 11, "another actor named"),
    (WIKI.replace(b">data_transmitter</data_source", b">data_filter</data_source")
     .replace(b'source_buffer="data"', b'source_buffer="data_filtered"'), 11, "in a circle"),
    (OLD.replace(b"<Size>65536</Size>", b""), 6, "lacks its <size>"),
    (b"<configuration>" * 20, 1, "deeper than"),
    (b"<configuration>" + b"<a/>" * 200_000, 1, "at most 100000 elements"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "line", "message"), MISTAKES)
def test_mistakes_are_named_with_their_line(data, line, message):
    with pytest.raises(TopologyError) as caught:
        parse_topology(data, "t.xml")
    found = [m for m in caught.value.mistakes if message in m.message]
    assert found, str(caught.value)
    assert found[0].line == line
    assert str(found[0]).startswith(f"t.xml:{line}: ")


def test_of_a_huge_or_endless_file_no_more_is_read_than_a_topology_has(tmp_path):
    huge = tmp_path / "huge.xml"
    with huge.open("wb") as file:
        file.truncate(2**40)  # a hole: it takes no room
    for endless in (huge, Path("/dev/zero")):
        with pytest.raises(TopologyError, match=f"{endless}:1: it is too large"):
            read_topology(endless)


def test_unknown_elements_are_refused_unless_allowed():
    data = WIKI.replace(b"<log_level>", b"<colour>red</colour><log_level>", 1)
    with pytest.raises(TopologyError, match="unknown element <colour>"):
        parse_topology(data, "t.xml")
    assert parse_topology(data, "t.xml", allow_unknown=True).actor("data_filter")


@given(st.binary(max_size=400))
def test_any_bytes_give_a_topology_or_an_error(data):
    with pytest.raises(TopologyError):
        parse_topology(data, "t.xml")


@given(st.integers(0, 10**15))
def test_ada_numerals_come_back(value):
    assert parse_ada_integer(format_ada_integer(value)) == value
    assert parse_ada_integer(f"16#{value:x}#") == value


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,20}", fullmatch=True)
texts = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=20)


@given(
    st.lists(names, min_size=3, max_size=3, unique=True),
    st.sampled_from(PORTS),
    st.integers(1, 2**30),
    st.sampled_from(LogLevel),
    st.lists(texts, max_size=3),
)
def test_what_is_written_reads_the_same(words, port, size, level, arguments):
    producer, consumer, buffer = words
    topology = Topology((
        Actor(producer, Role.PRODUCER, "host", "code", level, (OutputBuffer(buffer, size, port),),
              arguments=tuple(arguments)),
        Actor(consumer, Role.CONSUMER, "host", "code", sources=(
            DataSource(producer, buffer, port),)),
    ))  # fmt: skip
    text = format_topology(topology)
    again = parse_topology(text.encode(), "t.xml")
    assert format_topology(again) == text
    assert again.actor(producer).arguments == tuple(arguments)
