"""A disk that takes no more in the middle of a run: a real limit, set by the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import narval
from narval.mfm import Event, pack_event, parse_header, whole_frames_bytes

# The kernel refuses to let a file of this process grow beyond the limit: a short write, then an
# error, as on a full disk.
WRITER = """
import resource, sys
from pathlib import Path
from narval.actors.file_writer import FileWriter
from narval.errors import NarvalError
from narval.mfm import Event, pack_event
from narval.plugins.plugin import Run

resource.setrlimit(resource.RLIMIT_FSIZE, (10_200, 10_200))
writer = FileWriter()
writer.start(Run(1, Path(sys.argv[1])))
try:
    for number in range(1000):
        frame = pack_event(Event(0x4E01, number, number, bytes(476)))
        writer.consume(memoryview(frame))
except NarvalError as error:
    print(error)
writer.reset()
writer.stop()
"""


def test_what_was_whole_before_stays_readable_and_partial(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(narval.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.iterdir()
    assert file.name == "data-000.mfm.partial"
    data = file.read_bytes()
    header = parse_header(data).size_bytes
    assert len(data) == whole_frames_bytes(data) == header + (10_200 - header) // 500 * 500
    assert data[header:].startswith(pack_event(Event(0x4E01, 0, 0, bytes(476))))
    assert done.stdout == (
        f"{file}: File too large; the {len(data)} bytes before are whole and readable, "
        "the run stays incomplete\n"
    )
