"""How often a machine may report."""

from __future__ import annotations

import contextlib

import pytest

from vmlab.web.api import limits
from vmlab.web.api.limits import AtOnce, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return RateLimiter(60, clock=clock)


def test_60_at_once_and_then_one_a_second(limiter, clock):
    assert [limiter.retry_after_s("ada") for _ in range(60)] == [0.0] * 60
    assert limiter.retry_after_s("ada") == pytest.approx(1.0)
    clock.now = 1.0
    assert limiter.retry_after_s("ada") == 0.0
    assert limiter.retry_after_s("ada") > 0


def test_one_does_not_slow_another(limiter):
    for _ in range(100):
        limiter.retry_after_s("eve")
    assert limiter.retry_after_s("ada") == 0.0


def test_a_refused_call_costs_nothing(limiter, clock):
    for _ in range(1000):
        limiter.retry_after_s("eve")
    clock.now = 60.0
    assert [limiter.retry_after_s("eve") for _ in range(60)] == [0.0] * 60


def test_memory_is_bounded(limiter, clock, monkeypatch):
    monkeypatch.setattr(limits, "_FORGET_ABOVE", 10)
    for number in range(10):
        limiter.retry_after_s(number)
    clock.now = 60.0
    limiter.retry_after_s("new")
    assert list(limiter._buckets) == ["new"]


def test_a_caller_has_so_many_at_once_and_others_theirs() -> None:
    both = AtOnce(2)
    with both.counted("ada") as first, both.counted("ada") as second:
        assert first
        assert second
        with both.counted("ada") as third, both.counted("bob") as other:
            assert not third
            assert other
    for _ in range(3):
        with contextlib.suppress(KeyError), both.counted("ada") as again:
            assert again
            raise KeyError
    with both.counted("ada") as after, both.counted("ada") as last:
        assert after
        assert last, "what ended by an error is given back, too"
