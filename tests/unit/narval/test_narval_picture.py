"""The picture of a topology: everything in it is drawn, in its place, as XML, and said in words."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.topology.layout import lay_out
from narval.topology.model import Actor, DataSource, OutputBuffer, Role, Topology
from narval.topology.picture import draw_topology

SVG = "{http://www.w3.org/2000/svg}"


def producer(name):
    return Actor(
        name, Role.PRODUCER, "node1", "prod", outputs=(OutputBuffer("data", 65536, "fifo"),)
    )


def reader(name, *sources, role=Role.INTERMEDIARY):
    outputs = (OutputBuffer("data", 1_000_000, "eth0"),) if role is Role.INTERMEDIARY else ()
    found = tuple(DataSource(source, "data", "") for source in sources)
    return Actor(name, role, "node1", "code", outputs=outputs, sources=found)


CHAIN = Topology((producer("a"), reader("b", "a"), reader("c", "b", "a", role=Role.CONSUMER)))


@st.composite
def topologies(draw):
    """Topologies without a circle: each reads from some of those before it."""
    actors = []
    for number in range(draw(st.integers(0, 8))):
        before = [actor.name for actor in actors]
        sources = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        actors.append(reader(f"a{number}", *sources) if sources else producer(f"a{number}"))
    return Topology(tuple(actors))


@given(topologies())
def test_data_go_to_the_right_and_pass_no_actor(topology):
    layout = lay_out(topology)
    column = {place: i for i, places in enumerate(layout.columns) for place in places}
    assert {place for place in column if isinstance(place, str)} == {
        a.name for a in topology.actors
    }
    assert len(layout.links) == sum(len(actor.sources) for actor in topology.actors)
    for way in layout.ways:
        steps = [column[there] - column[here] for here, there in pairwise(way)]
        assert set(steps) == {1}


@given(topologies())
def test_no_two_actors_overlap(topology):
    root = ET.fromstring(draw_topology(topology))
    corners = [
        path.get("d").split("h")[0]
        for path in root.iter(f"{SVG}path")
        if path.get("class") == "shape"
    ]
    assert len(corners) == len(set(corners)) == len(topology.actors)


def test_actors_and_buffers_are_named_with_role_host_size_and_port():
    root = ET.fromstring(draw_topology(CHAIN))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    for wanted in ("a", "producer · prod", "on node1", "65.5 kB · fifo", "1 MB · eth0"):
        assert wanted in texts
    assert root.get("role") == "img"
    assert "consumer c on node1 reads data of b, data of a." in root.find(f"{SVG}desc").text


def test_roles_have_shapes_of_their_own():
    alone = Actor("d", Role.STAND_ALONE_ACTOR, "h", "watch")
    root = ET.fromstring(draw_topology(Topology((*CHAIN.actors, alone))))
    shapes = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("class") == "shape"]
    commands = {"".join(each for each in shape if each.isalpha()) for shape in shapes}
    assert len(commands) == 4


def test_state_rate_and_fill_are_words_and_signs_not_colours_alone():
    buffers = [{"name": "data", "reader": "b", "filled_bytes": 32768, "size_bytes": 65536}]
    status: dict[str, dict[str, Any]] = {
        "a": {"state": "Running", "bytes_per_s_out": 2e6, "buffers": buffers},
        "b": {"state": "Error", "error": "killed by SIGSEGV in process_block"},
    }
    root = ET.fromstring(draw_topology(CHAIN, status))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "▶ Running · out 2 MB/s" in texts
    assert "✗ Error" in texts
    assert texts.count("50% full") == 1  # of the one reader that is named, not of the other
    assert "killed by SIGSEGV in process_block" in root.find(f"{SVG}desc").text


@given(st.text(min_size=1, max_size=60))
def test_any_name_is_text_and_never_markup(name):
    root = ET.fromstring(draw_topology(Topology((producer(name),))))
    known = {f"{SVG}{tag}" for tag in ("svg", "title", "desc", "style", "g", "path", "text")}
    assert {element.tag for element in root.iter()} <= known


def test_a_circle_is_drawn_all_the_same():
    circle = Topology((reader("a", "b"), reader("b", "a")))
    assert "<svg" in draw_topology(circle)


@pytest.mark.parametrize("count", [1, 50])
def test_many_actors_fit(count):
    topology = Topology(tuple(producer(f"p{number}") for number in range(count)))
    root = ET.fromstring(draw_topology(topology))
    lowest = max(float(text.attrib["y"]) for text in root.iter(f"{SVG}text"))
    assert lowest < float(root.attrib["height"])
