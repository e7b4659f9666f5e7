"""How often the query may die before the job does."""

from types import SimpleNamespace

import pytest

from jobs import query
from jobs.arguments import parse
from jobs.query import Deaths
from jobs.sink import Stopped


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


class Query:
    """A query between two batches."""

    status = {"isTriggerActive": False}  # noqa: RUF012

    def awaitTermination(self, seconds):
        return False

    def stop(self):
        pass


def stopped(monkeypatch, failure: Exception | None) -> list[str]:
    """What a job does that is asked to stop, and whose last batch ends in `failure` while the marker is looked for."""
    done = []
    monkeypatch.setattr(query.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(query, "_started", lambda *_: done.append("started") or Query())
    writer = SimpleNamespace(last_batch=None, resume=lambda _: done.append("resumed"))
    brokers = SimpleNamespace(connection={"bootstrap.servers": "b:9092"})
    sink = SimpleNamespace(writer=writer, brokers=brokers, failure=None, stopping=False, has_written=True)
    sink.settings = parse(["--bootstrap-servers", "b:9092", "--topics", "t", "--transform", "t:t", "--table", "/tmp/t"])
    progress = SimpleNamespace(gap=lambda start: None, flush=lambda: None, say=lambda *_, **__: None)

    def asked():
        if done == ["started"]:
            sink.failure = failure
        return True

    query.run(None, None, None, sink, progress, SimpleNamespace(asked=asked))
    return done


def test_a_batch_that_fails_as_the_job_is_stopped_is_published_first(monkeypatch):
    assert stopped(monkeypatch, OSError("503")) == ["started", "resumed"]
    assert stopped(monkeypatch, None) == stopped(monkeypatch, Stopped()) == ["started"]


def test_no_batch_begins_behind_the_look_that_ends_the_job(monkeypatch):
    """Spark may begin one at any moment; one that does, before the look or after it, isn't cut off."""
    sink = SimpleNamespace(stopping=False)

    class Beginning(Query):
        @property
        def status(self):
            assert sink.stopping, "a batch may still begin"
            return {"isTriggerActive": False}

    query._watch(Beginning(), sink, SimpleNamespace(asked=lambda: True))


def test_a_query_that_waits_for_its_brokers_is_between_two_batches(monkeypatch):
    """A batch that is at work ends first, and so does one that Spark has not told of yet."""
    sink = SimpleNamespace(stopping=False, at_work=True, reports={7: None})
    looks = []

    class Waiting(Query):
        status = {"isTriggerActive": True}  # noqa: RUF012

        def awaitTermination(self, seconds):
            looks.append((sink.at_work, len(sink.reports)))
            sink.at_work = len(looks) < 2
            if len(looks) == 3:
                sink.reports.clear()

    query._watch(Waiting(), sink, SimpleNamespace(asked=lambda: True))
    assert looks == [(True, 1), (True, 1), (False, 1)]
