"""The ledger's rules, without a store."""

import dataclasses

import pytest

from jobs import ledger
from jobs.ledger import Batch, Claim, File, Gap, Unreadable
from jobs.offsets import Missing

CLAIM = Claim(
    seq=4, writer="w", host="h", application="a", time="2026-11-01T00:00:00Z", table="/t", quarantine="/q",
    positions={"t": {0: 5, 11: 7}}, ids={"t": "T"}, last_batch=3,
)  # fmt: skip
GAP = Gap(
    **{f.name: getattr(CLAIM, f.name) for f in dataclasses.fields(Claim) if f.name != "kind"},
    missing=(Missing(topic="t", partition=0, start=2, end=5, reason="expired"),),
)
BATCH = Batch(
    seq=5, writer="w", host="h", application="a", time="2026-11-01T00:00:00Z", table="/t", quarantine="/q", query="q",
    batch_id=9, ranges={"t": {0: (5, 8)}}, positions={"t": {0: 8, 11: 7}}, ids={"t": "T"},
    rows_in=3, rows_written=2, rows_rejected=1,
    table_files=(File(staged="staging/x", final="dt=1/000000000005-00000.parquet", bytes=10, rows=2),),
    quarantine_files=(), holes=0, transform="t", fingerprint="f", staging="staging",
)  # fmt: skip


@pytest.mark.parametrize("record", [CLAIM, GAP, BATCH], ids=lambda record: record.kind)
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
