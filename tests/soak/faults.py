"""The faults that the job must survive, each with the tests that show it; `kills.py` is that of the random kills."""

from typing import NamedTuple

ORACLE, KILLS = 0, 9


class Fault(NamedTuple):
    what: str
    tests: tuple[str, ...] = ()


def at(module: str, *names: str) -> tuple[str, ...]:
    path = f"tests/test_{module}.py"
    return tuple(f"{path}::test_{name}" for name in names) or (path,)


FAULTS = {
    ORACLE: Fault("the oracle: Spark's own sink and plain append must come out wrong"),
    **{number: Fault(f"killed at point {number} of the protocol", at("crash")) for number in range(1, 9)},
    KILLS: Fault("killed at random"),
    10: Fault(
        "an executor killed, the driver on YARN",
        at("cluster", "a_batch_whose_executor_is_killed_while_it_stages_is_there_once") + at("yarn"),
    ),
    11: Fault("a straggler", at("cluster", "a_straggler_that_ends_after_its_batch_is_published_changes_nothing")),
    12: Fault(
        "two drivers",
        at("ingest", "of_two_drivers_one_goes_on_and_the_other_ends_fenced")
        + at("protocol")
        + at(
            "zombies",
            "of_two_writers_at_once_one_goes_on_round_after_round",
            "of_two_drivers_at_once_one_goes_on_round_after_round",
        ),
    ),
    13: Fault("a driver that wakes up", at("zombies", "a_driver_stopped_at_any_point_wakes_up_fenced")),
    14: Fault("a store that fails", at("faults")),
    15: Fault("no create-if-absent", at("ingest", "a_store_that_lets_an_object_be_created_twice_is_refused")),
    16: Fault("checkpoint", at("ingest", "whatever_happens_to_the_checkpoint_costs_nothing")),
    17: Fault("ledger", at("writer") + at("rebuild") + at("rights")),
    18: Fault(
        "brokers away",
        at("brokers", "brokers_that_are_away_for_a_minute_cost_nothing", "a_leader_that_dies_is_followed_by_the_next"),
    ),
    19: Fault("more partitions", at("ingest", "new_partitions_are_read_from_their_first_record")),
    20: Fault(
        "records that expired",
        at("loss") + at("replay", "what_was_rejected_of_topics_that_are_gone_is_replayed_too"),
    ),
    21: Fault(
        "transactions, compaction",
        at(
            "brokers",
            "only_committed_records_are_there_and_an_open_transaction_is_waited_for",
            "a_compacted_topic_has_holes_and_its_tombstones_are_records",
        ),
    ),
    22: Fault("poison", at("ingest", "poison_goes_to_the_quarantine_and_the_stream_goes_on") + at("json_records")),
    23: Fault(
        "schema drift", at("json_records") + at("upgrades", "a_schema_that_grows_is_one_table_for_readers_by_name")
    ),
    24: Fault("time", at("envelope") + at("json_records")),
    25: Fault(
        "partition values",
        at("ingest", "only_safe_partition_values_become_folders")
        + at("size", "a_batch_with_very_many_partition_values_is_exact"),
    ),
    26: Fault("a full disk, a heap that is too small", at("full")),
    27: Fault(
        "signals, marker",
        at("ingest", "a_first_signal_ends_the_job_after_its_batch_and_a_second_at_once", "the_marker_ends_the_job_once")
        + at("brokers", "a_job_that_is_told_to_stop_does_so_while_the_brokers_are_away"),
    ),
    28: Fault("upgrades", at("upgrades")),
    29: Fault("secrets, logins", at("secrets") + at("login")),
    30: Fault("many batches, a backlog", at("size")),
}
