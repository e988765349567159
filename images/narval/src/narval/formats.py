"""The formats that files of a run can have."""

from __future__ import annotations

from enum import StrEnum

from narval import adf, mfm
from narval.frames import Data


class Format(StrEnum):
    """A format of frames; also how the names of its files end."""

    MFM = "mfm"  # GANIL's
    ADF = "adf"  # AGATA's


_SIZE = {Format.MFM: mfm.frame_size, Format.ADF: adf.frame_size}
_WHOLE = {Format.MFM: mfm.whole_frames_bytes, Format.ADF: adf.whole_frames_bytes}


def frame_size(of: Format, data: Data) -> int:
    """Return the size of the frame that a buffer begins with.

    Raises:
        FrameError: it cannot be one.
    """
    return _SIZE[of](data)


def whole_frames_bytes(of: Format, data: Data) -> int:
    """Return how many bytes at the buffer's beginning are whole frames; raises as `frame_size`."""
    return _WHOLE[of](data)
