"""The ledger's rules, without a store."""

import dataclasses

import pytest

from jobs import ledger
from jobs.ledger import Batch, Claim, File, Gap, Unreadable

CLAIM = Claim(
    seq=4, writer="w", host="h", application="a", time="2026-11-01T00:00:00Z", table="/t", quarantine="/q",
    positions={"t": {0: 5, 11: 7}}, last_batch=3,
)  # fmt: skip
BATCH = Batch(
    seq=5, writer="w", host="h", application="a", time="2026-11-01T00:00:00Z", table="/t", quarantine="/q", query="q",
    batch_id=9, ranges={"t": {0: (5, 8)}}, positions={"t": {0: 8, 11: 7}}, rows_in=3, rows_written=2, rows_rejected=1,
    table_files=(File(staged="staging/x", final="dt=1/000000000005-00000.parquet", bytes=10, rows=2),),
    quarantine_files=(), holes=0, transform="t", fingerprint="f", staging="staging",
)  # fmt: skip


@pytest.mark.parametrize("record", [CLAIM, BATCH], ids=["claim", "batch"])
def test_a_record_reads_as_it_was_written(record):
    assert ledger.decoded(record.seq, ledger.encoded(record)) == record


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        ledger.encoded(BATCH)[:-9],
        ledger.encoded(BATCH).replace(b'"version":1', b'"version":2'),
        ledger.encoded(BATCH).replace(b'"holes":0,', b""),
        ledger.encoded(dataclasses.replace(BATCH, seq=6)),
    ],
)
def test_a_damaged_record_is_named(data):
    with pytest.raises(Unreadable, match=r"000000000005\.json is damaged"):
        ledger.decoded(5, data)


def test_names_and_numbers_belong_together():
    assert ledger.number(ledger.name(123)) == 123
    assert [ledger.number(name) for name in ("latest", "123.json", "0000000000123.json", "000000000123.json~")] == [
        None
    ] * 4


def test_a_missing_record_is_named():
    assert ledger.last([]) is None
    assert ledger.last([3, 4, 5]) == 5
    with pytest.raises(Unreadable, match=r"000000000004\.json is missing, but 000000000005\.json is there"):
        ledger.last([3, 5])


def test_a_batch_reads_from_the_last_ends_and_a_new_partition_from_zero():
    assert ledger.between({"t": {0: 5}}, {"t": {0: 9, 1: 4}, "u": {0: 2}}) == {
        "t": {0: (5, 9), 1: (0, 4)},
        "u": {0: (0, 2)},
    }


@pytest.mark.parametrize(
    "planned, left",
    [
        ((5, 9), (5, 9)),  # the next batch
        ((3, 9), (5, 9)),  # a rolled-back checkpoint
        ((3, 5), None),  # a replay
        ((0, 2), None),
        ((5, 5), None),  # nothing arrived
    ],
)
def test_what_the_table_holds_is_cut_off(planned, left):
    assert ledger.remaining({"t": {0: planned}}, {"t": {0: 5}}) == ({"t": {0: left}} if left else {})


def test_a_batch_that_begins_after_the_position_is_a_gap():
    with pytest.raises(Gap, match=r"t-0: offsets 5 to 6 are not in the table, and the checkpoint goes on .* 7: remove"):
        ledger.remaining({"t": {0: (7, 9)}}, {"t": {0: 5}})


def test_a_partition_that_the_ledger_does_not_know_begins_where_the_batch_does():
    assert ledger.remaining({"t": {1: (7, 9)}}, {"t": {0: 5}}) == {"t": {1: (7, 9)}}


def test_positions_advance_and_never_go_back():
    before = {"t": {0: 5, 1: 9}}
    assert ledger.advanced(before, {"t": {0: (5, 8), 2: (0, 3)}, "u": {0: (1, 2)}}) == {
        "t": {0: 8, 1: 9, 2: 3},
        "u": {0: 2},
    }
    assert ledger.advanced(before, {"t": {0: (0, 3)}}) == before
    assert before == {"t": {0: 5, 1: 9}}


def test_what_expired_on_the_brokers_is_named():
    ledger.lost({"t": {0: 5}}, {"t": {0: 5, 1: 0}, "new": {0: 7}}, {"t": {0: 5, 1: 9}, "new": {0: 8}})
    with pytest.raises(Gap, match="t-1: offsets 0 to 6 expired or were deleted"):
        ledger.lost({"t": {0: 5}}, {"t": {0: 5, 1: 7}}, {"t": {0: 5, 1: 9}})
    with pytest.raises(Gap, match="t-0: offsets 5 to 6 expired or were deleted"):
        ledger.lost({"t": {0: 5}}, {"t": {0: 7}}, {"t": {0: 9}})


def test_a_topic_that_was_created_again_is_named():
    with pytest.raises(Gap, match="t-0 ends at offset 3, but the table holds it up to 4: was the topic deleted"):
        ledger.lost({"t": {0: 5}}, {"t": {0: 0}}, {"t": {0: 3}})


def test_the_size_of_ranges_counts_offsets():
    assert ledger.size({"t": {0: (5, 8), 1: (2, 2)}, "u": {0: (0, 10)}}) == 13
