"""GANIL's frame types, and where each has its time and its number. Facts only.

A blob's own fields begin after the common header; those of a basic frame after 8 bytes more, its
headerSize, itemSize and nItems. What is not in this table is passed on by its size alone: nothing
is known of its inside.

ref: GANIL's MFM library, MFMTypes.h and the frames' own headers; ganil_mesytec_data,
mesytec_receiver_mfm_transmitter.cpp (for MESYTEC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

_BLOB = 8
_BASIC = 16


@dataclass(frozen=True)
class Layout:
    """Where what is in a frame, in bytes from its beginning.

    Attributes:
        number_at: the event number, 32 bits; None: there is none.
        time_at: the timestamp, 48 bits; None: there is none.
        is_basic: whether headerSize, itemSize and nItems stand at byte 8; items follow the header.
        has_length: whether the payload's length in bytes stands at byte 20, the payload at 24.
        has_odd_revision_0: whether the time's bytes of revision 0 are in an order of their own.
    """

    number_at: int | None = None
    time_at: int | None = None
    is_basic: bool = False
    has_length: bool = False
    has_odd_revision_0: bool = False

    @property
    def fields_end(self) -> int:
        """The first byte after what is known."""
        if self.has_length:
            return 24
        ends = [_BASIC if self.is_basic else _BLOB]
        ends += [] if self.number_at is None else [self.number_at + 4]
        ends += [] if self.time_at is None else [self.time_at + 6]
        return max(ends)


@dataclass(frozen=True)
class FrameKind:
    """One frame type."""

    name: str
    layout: Layout


UNKNOWN: Final = Layout()
"""Of a type of which only the common header is known."""

TRANSMITTER: Final = Layout(number_at=14, time_at=8, has_length=True)
"""Of mesytec's transmitter for GANIL, and of our own frames."""

OWN_TYPES: Final = range(0x4E00, 0x4F00)
"""Types of frames that are made here: our actors' (`narval.events`), and free for plugins."""

MERGE_BY_NUMBER: Final = 0xFF01
MERGE_BY_TIME: Final = 0xFF02
XML_DATA_DESCRIPTION: Final = 0xFF10
XML_FILE_HEADER: Final = 0xFF11

DESCRIPTIONS: Final = frozenset({XML_DATA_DESCRIPTION, XML_FILE_HEADER})
"""Types that tell of the data and are none: nothing is lost where they are passed over."""

_TIME_FIRST = Layout(number_at=_BLOB + 6, time_at=_BLOB)
_NUMBER_FIRST = Layout(number_at=_BLOB, time_at=_BLOB + 4)
_ITEMS = Layout(is_basic=True)
_ITEMS_TIME_FIRST = replace(_ITEMS, number_at=_BASIC + 6, time_at=_BASIC)
_ITEMS_NUMBER = replace(_ITEMS, number_at=_BASIC)
_ITEMS_TIME = replace(_ITEMS, time_at=_BASIC)
_ITEMS_NUMBER_FIRST = replace(_ITEMS, number_at=_BASIC, time_at=_BASIC + 4)
_ITEMS_PLACE_FIRST = replace(_ITEMS, number_at=_BASIC + 2, time_at=_BASIC + 6)
_ITEMS_ODD = replace(_ITEMS_PLACE_FIRST, has_odd_revision_0=True)

KINDS: Final[Mapping[int, FrameKind]] = {
    0x0001: FrameKind("COBO", _ITEMS_TIME_FIRST),
    0x0002: FrameKind("COBOF", _ITEMS_TIME_FIRST),
    0x0007: FrameKind("COBOT", UNKNOWN),
    0x0008: FrameKind("MUTANT", _TIME_FIRST),
    0x0009: FrameKind("MUTANT1", _TIME_FIRST),
    0x000A: FrameKind("MUTANT2", _TIME_FIRST),
    0x000B: FrameKind("MUTANT3", _TIME_FIRST),
    0x0010: FrameKind("EXO2", _NUMBER_FIRST),
    0x0011: FrameKind("OSCI", _ITEMS),
    0x0012: FrameKind("NEDA", _ITEMS_ODD),
    0x0013: FrameKind("NEDACOMP", _NUMBER_FIRST),
    0x0014: FrameKind("VAMOSIC", _NUMBER_FIRST),
    0x0015: FrameKind("VAMOSPD", _NUMBER_FIRST),
    0x0016: FrameKind("DIAMANT", _NUMBER_FIRST),
    0x0017: FrameKind("S3_BAF2", _NUMBER_FIRST),
    0x0018: FrameKind("S3_ALPHA", _NUMBER_FIRST),
    0x0019: FrameKind("S3_RUTH", _NUMBER_FIRST),
    0x001A: FrameKind("S3_EGUN", _NUMBER_FIRST),
    0x001B: FrameKind("S3_SYNC", _NUMBER_FIRST),
    0x001C: FrameKind("REA_GENE", _NUMBER_FIRST),
    0x001D: FrameKind("VAMOSTAC", _NUMBER_FIRST),
    0x001E: FrameKind("BOX_DIAG", _NUMBER_FIRST),
    0x0020: FrameKind("EBY_EN", _ITEMS_NUMBER),
    0x0021: FrameKind("EBY_TS", _ITEMS_TIME),
    0x0022: FrameKind("EBY_EN_TS", _ITEMS_NUMBER_FIRST),
    0x0023: FrameKind("MATACQ", UNKNOWN),  # a number without a layout in the sources
    0x0024: FrameKind("SCALER_DATA", _ITEMS_TIME_FIRST),
    0x0030: FrameKind("RIBF_DATA", _TIME_FIRST),
    0x0040: FrameKind("FAZIA_DATA", _TIME_FIRST),
    0x0060: FrameKind("CHIMERA_DATA", _TIME_FIRST),
    0x0070: FrameKind("SIRIUS", _ITEMS_PLACE_FIRST),
    0x0071: FrameKind("REA_TRACE", _ITEMS_ODD),
    0x0080: FrameKind("S3_DEFLECTOR", _NUMBER_FIRST),
    0x0090: FrameKind("PARIS", _NUMBER_FIRST),
    0x00A0: FrameKind("FASTER", _TIME_FIRST),
    0x00A1: FrameKind("FASTERDTS", _TIME_FIRST),
    0x4ADF: FrameKind("MESYTEC", TRANSMITTER),
    **{code: FrameKind(f"OWN_{code:04X}", TRANSMITTER) for code in OWN_TYPES},
    0xFF00: FrameKind("HELLO", _TIME_FIRST),
    MERGE_BY_NUMBER: FrameKind("MERGE_EN", _ITEMS_NUMBER),
    MERGE_BY_TIME: FrameKind("MERGE_TS", _ITEMS_TIME),
    XML_DATA_DESCRIPTION: FrameKind("XML_DATA_DESCRIPTION", UNKNOWN),
    XML_FILE_HEADER: FrameKind("XML_FILE_HEADER", UNKNOWN),
}


def layout_of(frame_type: int) -> Layout:
    """Return a type's layout; `UNKNOWN` for one that is not in the table."""
    kind = KINDS.get(frame_type)
    return UNKNOWN if kind is None else kind.layout


def name_of(frame_type: int) -> str:
    """Return a type as people say it: `0x0010 EXO2`."""
    kind = KINDS.get(frame_type)
    return f"{frame_type:#06x}" if kind is None else f"{frame_type:#06x} {kind.name}"
