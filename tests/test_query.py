"""How often the query may die before the job does."""

from types import SimpleNamespace

import pytest

from jobs import query
from jobs.query import Deaths


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(query.time, "monotonic", lambda: clock.now)
    return clock


def died(clock, every: float, batches: bool = False, born: bool = False) -> Deaths:
    """What counts after ten deaths, one `every` so many seconds; with `batches`, each after a batch."""
    writer = SimpleNamespace(last_batch=None)
    deaths = Deaths(writer)
    for n in range(10):
        began, clock.now = clock.now, clock.now + every
        writer.last_batch = SimpleNamespace(seq=n) if batches else None
        deaths.add(began if born else None)
    return deaths


def test_deaths_close_together_count_whatever_was_done_between(clock):
    assert len(died(clock, every=1, batches=True)) == 10
    assert str(died(clock, every=10)) == "the query died 10 times within 2 min"


def test_old_deaths_are_forgotten_by_a_query_that_is_of_use(clock):
    assert len(died(clock, every=query.WINDOW_S / 2, batches=True)) == 3
    assert len(died(clock, every=query.WINDOW_S + 1, born=True)) == 1


def test_a_query_that_takes_long_to_die_and_gets_nothing_done_dies_in_the_end(clock):
    """Each time it waited for a store that doesn't answer, and had not even begun."""
    assert len(died(clock, every=query.WINDOW_S * 2)) == 10
    assert len(died(clock, every=query.WINDOW_S / 2, born=True)) == 10
