"""A topology as a picture: SVG that needs nothing else. Pure.

Role, state and rate are in words and shapes; colour only repeats them. Colours come from
JupyterLab's theme where there is one, and text takes the colour of the text around.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from narval.states import State
from narval.topology.layout import Layout, Link, Place, describe_in_words, lay_out
from narval.topology.model import Actor, Role, Topology
from narval.units import format_byte_rate, format_bytes

ActorStatus = Mapping[str, Any]
"""What an actor's note `status` says: state, bytes_per_s_in, bytes_per_s_out, buffers, error."""

SIGNS = {
    State.RUNNING: "▶",
    State.PAUSED: "‖",
    State.STOPPED: "■",
    State.ERROR: "✗",
}
_OTHER_SIGN = "○"

_FONT_PX = 13
_CHARACTER_PX = 7.4  # the widest usual letters of a sans-serif font at this size, on average
_SMALL = 11.5 / _FONT_PX
_LINE_PX = 18
_POINT_PX = 14  # how far a shape's point reaches
_MARGIN_PX = 16
_ROW_GAP_PX = 34
_LONGEST_TEXT = 36

_FIT = "max-width:100%;height:auto"
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:currentColor}"
    ".name{font-weight:600}.small{font-size:11.5px}"
    ".shape{fill:var(--jp-layout-color2,#f4f4f4);stroke:currentColor;stroke-width:1.5}"
    ".running .shape{fill:var(--jp-success-color3,#d8efd9)}"
    ".error .shape{fill:var(--jp-error-color3,#f8d5d2);stroke-width:3;stroke-dasharray:6 3}"
    ".link{fill:none;stroke:currentColor;stroke-width:1.5}.head{fill:currentColor}"
    ".ground{fill:var(--jp-layout-color1,#fff)}"
)


@dataclass(frozen=True)
class _Box:
    """Where something stands, in pixels; a place that a link passes has no size."""

    x: float
    y: float  # of the middle
    width: float
    height: float


def draw_topology(topology: Topology, status: Mapping[str, ActorStatus] | None = None) -> str:
    """Return an SVG of the actors and their links, from left to right.

    Args:
        status: of each actor by name; those that are missing are drawn without a state.
    """
    known = status or {}
    layout = lay_out(topology)
    texts = {actor.name: list(_texts(actor, known.get(actor.name))) for actor in topology.actors}
    labels = [list(_label(link, known.get(link.writer))) for link in layout.links]
    boxes, width, height = _place(layout, texts, labels)
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} style="{_FIT}">',
        f"<title>{_plain(_title(topology))}</title>",
        f"<desc>{_plain(_description(topology, known))}</desc>",
        f"<style>{_STYLE}</style>",
        *(part for way in layout.ways for part in _draw_way([boxes[place] for place in way])),
        *_draw_labels(layout, labels, boxes),
    ]
    for actor in topology.actors:
        parts += _draw_actor(actor, boxes[actor.name], texts[actor.name], known.get(actor.name))
    return "\n".join([*parts, "</svg>", ""])


def describe_status(status: ActorStatus) -> str:
    """Return sign, state and rates of an actor: `▶ Running · in 2 MB/s · out 1 MB/s`."""
    state = str(status.get("state", ""))
    words = [f"{SIGNS.get(State(state), _OTHER_SIGN) if state in set(State) else '?'} {state}"]
    for key, word in (("bytes_per_s_in", "in"), ("bytes_per_s_out", "out")):
        if status.get(key):
            words.append(f"{word} {format_byte_rate(float(status[key]))}")
    return " · ".join(words)


def _title(topology: Topology) -> str:
    count = len(topology.actors)
    return f"Topology of {count} actor{'' if count == 1 else 's'}"


def _description(topology: Topology, known: Mapping[str, ActorStatus]) -> str:
    sentences = [describe_in_words(topology)]
    for name, status in known.items():
        error = f", {status['error']}" if status.get("error") else ""
        sentences.append(f"{name}: {describe_status(status)}{error}.")
    return " ".join(sentences)


def _texts(actor: Actor, status: ActorStatus | None) -> Iterator[tuple[str, str]]:
    """Yield class and text of each line of an actor."""
    yield "name", _short(actor.name)
    yield "small", _short(f"{actor.role.replace('_', ' ')} · {actor.binary_code}")
    yield "small", _short(f"on {actor.hostname}")
    if status is not None:
        yield "small", describe_status(status)


def _label(link: Link, status: ActorStatus | None) -> Iterator[str]:
    """Yield the lines of a link: buffer, then size and port, then how full it is."""
    yield _short(link.buffer.name)
    yield f"{format_bytes(link.buffer.size_bytes)} · {link.buffer.port}"
    for buffer in (status or {}).get("buffers") or ():
        if (buffer["name"], buffer["reader"]) == (link.buffer.name, link.reader):
            share = buffer["filled_bytes"] / max(buffer["size_bytes"], 1)
            yield f"{share:.0%} full"


def _place(
    layout: Layout, texts: Mapping[str, list[tuple[str, str]]], labels: list[list[str]]
) -> tuple[dict[Place, _Box], float, float]:
    """Return where everything stands, and the size of the picture."""
    lines = max(map(len, texts.values()), default=0)
    row_px = max(lines, 3) * _LINE_PX + 14
    gap_px = max((_width(line) for label in labels for line in label), default=0) + 48
    rows = max(map(len, layout.columns), default=0)
    height = (
        rows * (row_px + _ROW_GAP_PX) - _ROW_GAP_PX + 2 * _MARGIN_PX if rows else 2 * _MARGIN_PX
    )
    boxes: dict[Place, _Box] = {}
    x = float(_MARGIN_PX)
    for column in layout.columns:
        names = [place for place in column if isinstance(place, str)]
        widest = max((_width(text) for name in names for _, text in texts[name]), default=0)
        width = widest + 2 * _POINT_PX + 16
        top = (height - len(column) * (row_px + _ROW_GAP_PX) + _ROW_GAP_PX) / 2
        for index, place in enumerate(column):
            middle = top + index * (row_px + _ROW_GAP_PX) + row_px / 2
            boxes[place] = _Box(x, middle, width, row_px if isinstance(place, str) else 0)
        x += width + gap_px
    return boxes, max(x - gap_px, 0) + _MARGIN_PX, height


def _draw_way(boxes: list[_Box]) -> Iterator[str]:
    path = ""
    for here, there in pairwise(boxes):
        begin, end = here.x + here.width, there.x - (8 if there.height else 0)
        end += _POINT_PX if there.height else 0
        middle = (begin + end) / 2
        path += f"M{here.x:.1f},{here.y:.1f}H{begin:.1f}" if not here.height else ""
        path += f"M{begin:.1f},{here.y:.1f}"
        path += f"C{middle:.1f},{here.y:.1f} {middle:.1f},{there.y:.1f} {end:.1f},{there.y:.1f}"
    x, y = boxes[-1].x + _POINT_PX, boxes[-1].y
    yield f'<path class="link" d="{path}"/>'
    yield f'<path class="head" d="M{x:.1f},{y:.1f}l-9,-5v10z"/>'


def _draw_labels(
    layout: Layout, labels: list[list[str]], boxes: Mapping[Place, _Box]
) -> Iterator[str]:
    """Draw each link's label behind its writer, one below the other where they would overlap."""
    wanted: list[tuple[float, float, list[str]]] = []
    for way, label in zip(layout.ways, labels, strict=True):
        here, there = boxes[way[0]], boxes[way[1]]
        wanted.append(
            ((here.x + here.width + there.x + _POINT_PX) / 2, (here.y + there.y) / 2, label)
        )
    lowest: dict[float, float] = {}
    for x, middle, label in sorted(wanted, key=lambda each: each[:2]):
        top = max(middle - len(label) * 7.5 + 11, lowest.get(x, 0.0))
        lowest[x] = top + len(label) * 15 + 4
        width = max(map(_width, label)) * _SMALL
        yield (  # the line passes behind the words, not through them
            f'<rect class="ground" x="{x - width / 2:.1f}" y="{top - 12:.1f}" '
            f'width="{width:.1f}" height="{len(label) * 15 + 2}"/>'
        )
        for index, line in enumerate(label):
            yield (
                f'<text class="small" text-anchor="middle" x="{x:.1f}" '
                f'y="{top + index * 15:.1f}">{_plain(line)}</text>'
            )


def _draw_actor(
    actor: Actor, box: _Box, texts: list[tuple[str, str]], status: ActorStatus | None
) -> Iterator[str]:
    state = str((status or {}).get("state", "")).lower()
    mark = state if state in {"running", "error"} else "other"
    yield f'<g class="actor {mark}"><title>{_plain(" · ".join(text for _, text in texts))}</title>'
    yield f'<path class="shape" d="{_shape(actor.role, box)}"/>'
    top = box.y - (len(texts) * _LINE_PX) / 2 + _FONT_PX
    for index, (kind, text) in enumerate(texts):
        x, y = box.x + box.width / 2, top + index * _LINE_PX
        yield (
            f'<text class="{kind}" text-anchor="middle" x="{x:.1f}" y="{y:.1f}">'
            f"{_plain(text)}</text>"
        )
    yield "</g>"


def _shape(role: Role, box: _Box) -> str:
    """Return the outline: a point to the right where data leave, a notch where they come in."""
    half, top = box.height / 2, box.y - box.height / 2
    right = f"h{box.width - _POINT_PX:.1f}l{_POINT_PX},{half:.1f}l{-_POINT_PX},{half:.1f}"
    straight = f"h{box.width:.1f}v{box.height:.1f}"
    if role is Role.STAND_ALONE_ACTOR:
        corners = f"h{box.width - 40:.1f}a20,{half:.1f} 0 0 1 0,{box.height:.1f}"
        back = f"h{40 - box.width:.1f}a20,{half:.1f} 0 0 1 0,{-box.height:.1f}z"
        return f"M{box.x + 20:.1f},{top:.1f}{corners}{back}"
    outline = straight if role is Role.CONSUMER else right
    notch = "" if role is Role.PRODUCER else f"l{_POINT_PX},{-half:.1f}"
    return f"M{box.x:.1f},{top:.1f}{outline}H{box.x:.1f}{notch}z"


def _width(text: str) -> float:
    return len(text) * _CHARACTER_PX


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _plain(text: str) -> str:
    """Return text for XML, without the characters that XML cannot hold."""
    return escape("".join(each for each in text if each.isprintable()))
