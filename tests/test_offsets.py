"""Offsets and their arithmetic: what to read, what is there already, what is lost."""

import pytest

from jobs import offsets
from jobs.offsets import Held, Lost, OutOfStep, Start


def test_a_batch_reads_from_the_last_ends_and_a_new_partition_from_zero():
    assert offsets.between({"t": {0: 5}}, {"t": {0: 9, 1: 4}, "u": {0: 2}}) == {
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
    assert offsets.remaining({"t": {0: planned}}, {"t": {0: 5}}) == ({"t": {0: left}} if left else {})


@pytest.mark.parametrize("planned", [(7, 9), (5, 3)])
def test_a_batch_that_does_not_follow_on_the_table_is_out_of_step(planned):
    """It begins too late, or its topic went backwards under Spark's eyes."""
    with pytest.raises(OutOfStep, match=f"t-0: offsets {planned[0]} to {planned[1]} were planned, .* goes on at 5"):
        offsets.remaining({"t": {0: planned}}, {"t": {0: 5}})


def test_a_partition_that_the_ledger_does_not_know_begins_where_the_batch_does():
    assert offsets.remaining({"t": {1: (7, 9)}}, {"t": {0: 5}}) == {"t": {1: (7, 9)}}


def test_positions_advance_and_never_go_back():
    before = {"t": {0: 5, 1: 9}}
    assert offsets.advanced(before, {"t": {0: (5, 8), 2: (0, 3)}, "u": {0: (1, 2)}}) == {
        "t": {0: 8, 1: 9, 2: 3},
        "u": {0: 2},
    }
    assert offsets.advanced(before, {"t": {0: (0, 3)}}) == before
    assert before == {"t": {0: 5, 1: 9}}


def resumed(known, begin, end, ids=None, deleted=()):
    old, new = ids or ({}, {})
    return offsets.resumed(known, old, Held(begin=begin, end=end, ids=new), deleted)


def test_a_table_goes_on_at_its_positions_and_a_new_partition_or_topic_at_its_first_record():
    start = resumed(
        {"t": {0: 5}, "other": {0: 9}}, {"t": {0: 5, 1: 0}, "new": {0: 7}}, {"t": {0: 5, 1: 9}, "new": {0: 8}}
    )
    assert start == Start(positions={"t": {0: 5, 1: 0}, "new": {0: 7}})
    start.refuse()


SAME, OTHER = ({"t": "A"}, {"t": "A"}), ({"t": "A"}, {"t": "B"})


@pytest.mark.parametrize(
    "known, begin, end, ids, goes_on, said",
    [
        ({0: 5}, {0: 7}, {0: 9}, SAME, {0: 7}, "t-0: offsets 5 to 6 expired or were deleted on the brokers"),
        ({0: 5}, {0: 0, 1: 7}, {0: 9, 1: 9}, SAME, {0: 5, 1: 7}, "t-1: offsets 0 to 6 expired"),
        ({0: 5}, {0: 0}, {0: 3}, SAME, {0: 3}, "t-0 ends at offset 3, but the table holds it up to 5: the"),
        ({0: 5}, {0: 0}, {0: 9}, OTHER, {0: 0}, "t-0: the topic was deleted and created again; .* from offset 5 on"),
        ({0: 5, 1: 6}, {0: 0}, {0: 9}, OTHER, {0: 0}, "t-0: the topic was .* 5 on was not read; t-1: .* 6 on was not"),
        ({0: 5}, {0: 0}, {0: 3}, ({}, {"t": "B"}), {0: 0}, "t-0: the topic was deleted and created again"),
    ],
)  # fmt: skip
def test_what_the_brokers_no_longer_hold_is_named_and_the_job_could_go_on_behind_it(
    known, begin, end, ids, goes_on, said
):
    start = resumed({"t": known}, {"t": begin}, {"t": end}, ids)
    assert (start.positions, start.ids) == ({"t": goes_on}, ids[1])
    with pytest.raises(Lost, match=f"{said}.*--on-data-loss record"):
        start.refuse()


def test_a_subscribed_topic_that_is_gone_is_named():
    start = resumed({"t": {0: 5}, "u": {0: 3}}, {"t": {0: 0}}, {"t": {0: 5}}, deleted=["u"])
    assert start.positions == {"t": {0: 5}}
    with pytest.raises(Lost, match="u-0: the topic was deleted; what it held from offset 3 on was not read"):
        start.refuse()


def test_many_missing_ranges_are_still_one_line():
    start = resumed(
        {"t": {p: 0 for p in range(50)}}, {"t": {p: 9 for p in range(50)}}, {"t": {p: 9 for p in range(50)}}
    )
    with pytest.raises(Lost, match=r"t-9: .*; and 40 more partitions\."):
        start.refuse()


def test_a_rebuilt_ledger_does_not_know_a_partition_without_rows():
    held = Held(begin={"t": {0: 0, 1: 500}}, end={"t": {0: 9, 1: 500}}, ids={"t": "A"})
    assert offsets.resumed({"t": {0: 5}}, {}, held) == Start(positions={"t": {0: 5, 1: 500}}, ids={"t": "A"})
    assert offsets.resumed({"t": {0: 5}}, {"t": "A"}, held).missing[0].end == 500


def test_a_topic_of_another_id_is_another_topic_unless_one_id_is_unknown():
    assert list(offsets.changed({"a": "1", "b": "2", "c": ""}, {"a": "1", "b": "3", "c": "4", "d": "5"})) == ["b"]
    assert list(offsets.changed({"a": "1"}, {"a": ""})) == []


def test_the_size_of_ranges_counts_offsets():
    assert offsets.size({"t": {0: (5, 8), 1: (2, 2)}, "u": {0: (0, 10)}}) == 13
