"""Writing files so that they are never seen half written, and only when they change."""

from __future__ import annotations

from pathlib import Path

from vmlab_protocol.atomic import write_atomic


def ensure_file(path: Path, text: str, mode: int = 0o644) -> bool:
    """Make `path` hold exactly `text` with this mode; return whether its text changed.

    Atomic: readers see the old or the new file. Missing folders are made, mode 0755. A symbolic
    link at `path` is replaced, not followed.
    """
    try:
        same = not path.is_symlink() and path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        same = False
    if same:
        path.chmod(mode)
        return False
    write_file(path, text.encode(), mode)
    return True


def write_file(path: Path, data: bytes, mode: int, *, durable: bool = False) -> None:
    """Replace `path` by a file with this content, as one step; missing folders are made, mode 0755.

    Args:
        durable: return only when the content would survive a power cut.

    Raises:
        OSError: the disk is full, or the like.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomic(path, data, mode=mode, durable=durable)
