"""The frame that GANIL's files of a run begin with: a description of the run, as XML. Pure.

The words are those of GANIL's storage actor; times are local, as there.

ref: GANIL, MFMXmlFileHeaderFrame.cc.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime

from narval import __version__
from narval.frame_types import XML_FILE_HEADER
from narval.mfm import HEADER_BYTES, pack_header

SOURCE = 0xFF
"""dataSource of what a computer has made, and no electronics."""

_TIME = "%y-%m-%d_%Hh%Mm%Ss"


@dataclass(frozen=True)
class RunHeader:
    """What a file says of its run.

    Attributes:
        experiment: the sub-system's name.
        index: of the file in the run, from 0.
    """

    experiment: str
    run_number: int
    run_began: datetime
    index: int
    file_name: str
    file_began: datetime


def pack_run_header(header: RunHeader) -> bytes:
    """Return the frame."""
    root = ET.Element("File_Header")
    ET.SubElement(root, "data_format").text = "mfm"
    for part, facts in (
        ("experiment", {"name": header.experiment}),
        ("context", {
            "run_number": f"{header.run_number:04d}",
            "run_start_time": header.run_began.strftime(_TIME),
            "index": str(header.index),
            "file_name": header.file_name,
            "file_creation_time": header.file_began.strftime(_TIME),
        }),
        ("software", {
            "type": "narval-stack", "application": "file_writer", "version": __version__,
        }),
    ):  # fmt: skip
        element = ET.SubElement(root, part)
        for name, text in facts.items():
            ET.SubElement(element, name).text = text
    body: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    body += b"\0"  # theirs is a C string
    frame = pack_header(XML_FILE_HEADER, HEADER_BYTES + len(body), data_source=SOURCE) + body
    return frame + bytes(len(frame) % 2)
