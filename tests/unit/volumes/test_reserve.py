"""The part of a new volume that is kept from its trainee as long as there is room."""

from __future__ import annotations

from vmlab.volumes.disk_image import reserved_percent


def test_a_twentieth_but_never_more_than_256_mib():
    assert reserved_percent(64) == "5.00"
    assert reserved_percent(5120) == "5.00"
    assert reserved_percent(10240) == "2.50"
    assert reserved_percent(102400) == "0.25"
