"""The circuit breaker of a fallback step (S30)."""

from mainstay.base.clock import ManualClock
from mainstay.judge.breaker import FAILURES_MAX, Breaker


def broken(clock: ManualClock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(FAILURES_MAX):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    """S30: what fails now and then is asked on; what fails again and again is left alone."""
    breaker = Breaker(ManualClock())
    for _ in range(10):
        for _ in range(FAILURES_MAX - 1):
            breaker.failed()
        assert breaker.state == "closed"
        breaker.succeeded()
    assert broken(ManualClock()).state == "open"


def test_a_pause_ends_in_one_try_and_doubles_when_it_fails() -> None:
    """S30: half-open probes after 1, 2, 4 … and at most 60 seconds; one success closes it."""
    clock = ManualClock()
    breaker = broken(clock)
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        assert not breaker.allows()
        clock.advance(pause - 0.001)
        assert (breaker.allows(), breaker.state) == (False, "open")
        clock.advance(0.001)
        assert (breaker.allows(), breaker.state) == (True, "half open")
        breaker.failed()
    clock.advance(60)
    breaker.succeeded()
    assert breaker.state == "closed"
    for _ in range(FAILURES_MAX):
        breaker.failed()
    clock.advance(1)
    assert breaker.allows(), "the pause begins anew"


def test_one_of_many_that_ask_at_once_is_the_try() -> None:
    """S30: and one of which nothing is ever heard keeps the others out for one pause only."""
    clock = ManualClock()
    breaker = broken(clock)
    clock.advance(1)
    assert [breaker.allows() for _ in range(5)] == [True, False, False, False, False]
    assert breaker.state == "half open"
    clock.advance(1)
    assert [breaker.allows() for _ in range(5)] == [True, False, False, False, False]
    breaker.succeeded()
    assert [breaker.allows() for _ in range(5)] == [True] * 5


def test_what_was_asked_before_a_pause_makes_it_no_longer() -> None:
    """S30: a hundred that were waiting when it broke down are no hundred tries."""
    clock = ManualClock()
    breaker = broken(clock)
    for _ in range(100):
        breaker.failed()
    clock.advance(1)
    assert breaker.allows()
