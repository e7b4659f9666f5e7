import json
from datetime import datetime, timezone
from itertools import pairwise

from tests.kit.events import BROKEN, START, access_log_events


def test_the_same_seed_gives_the_same_events_and_another_gives_others():
    first, again, other = (list(access_log_events(500, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_good_events_are_json_of_about_370_bytes():
    values = [event.value for event in access_log_events(5_000, seed=1) if event.reason is None]
    assert 340 < sum(map(len, values)) / len(values) < 400
    assert all(len(json.loads(value)) == 11 for value in values)
    assert len({json.loads(value)["event_id"] for value in values}) == len(values)


def test_half_a_percent_is_broken_and_every_kind_occurs():
    reasons = [event.reason for event in access_log_events(40_000, seed=1)]
    broken = [reason for reason in reasons if reason]
    assert 0.004 < len(broken) / len(reasons) < 0.006
    assert set(broken) == {reason for _, reason in BROKEN.values()}


def test_no_event_is_broken_unless_asked_for():
    assert not any(event.reason for event in access_log_events(5_000, seed=1, broken=0))


def test_events_are_spread_over_the_hours_asked_for():
    start = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    times = [
        json.loads(event.value)["ts"] for event in access_log_events(3_000, seed=1, broken=0, start=start, hours=3)
    ]
    assert {time[:13] for time in times} == {"2026-03-01T12", "2026-03-01T13", "2026-03-01T14"}
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert START.tzinfo is timezone.utc


def test_a_few_paths_get_most_requests():
    paths = [json.loads(event.value)["path"] for event in access_log_events(5_000, seed=1, broken=0)]
    most = max(paths.count(path) for path in set(paths))
    assert most > 300
    assert len(set(paths)) > 300
