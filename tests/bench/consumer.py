"""`python -m tests.bench.consumer json|arrow|none …`: Kafka to Parquet in plain Python, as a Lambda does it.

    --bootstrap HOST:PORT --topic T --table FOLDER

`json` parses with json.loads, 10,000 records a batch; `arrow` with Arrow's reader; `none` only reads. Each ends when
the topic is drained, and commits its offsets after each batch.
"""

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

BATCHES = {"json": 10_000, "arrow": 100_000, "none": 100_000}
TEXT = pa.schema(  # the time is read from its text
    [
        ("event_id", pa.string()),
        ("ts", pa.string()),
        ("client_ip", pa.string()),
        ("method", pa.string()),
        ("path", pa.string()),
        ("status", pa.int32()),
        ("bytes", pa.int64()),
        ("duration_ms", pa.float64()),
        ("user_agent", pa.string()),
        ("referer", pa.string()),
        ("user_id", pa.string()),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=BATCHES)
    for flag in ("bootstrap", "topic", "table"):
        parser.add_argument(f"--{flag}", required=True)
    asked = parser.parse_args()
    group = {"group.id": f"bench-{asked.kind}", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": asked.bootstrap, **group})
    for number, messages in enumerate(batches(consumer, asked.topic, BATCHES[asked.kind])):
        if asked.kind != "none":
            write(PARSED[asked.kind](messages), messages, Path(asked.table), number)
        consumer.commit(asynchronous=False)
        print(json.dumps({"batch": number, "rows_in": len(messages)}), flush=True)
    consumer.close()


def batches(consumer: Consumer, topic: str, most: int) -> Iterator[list[Message]]:
    """All that the topic holds now."""
    partitions = [TopicPartition(topic, p) for p in consumer.list_topics(topic).topics[topic].partitions]
    left = sum(high - low for low, high in map(consumer.get_watermark_offsets, partitions))
    consumer.assign([TopicPartition(topic, p.partition, 0) for p in partitions])
    while left:
        messages: list[Message] = []
        while len(messages) < min(most, left):
            messages += map(whole, consumer.consume(min(most, left) - len(messages), timeout=1))
        left -= len(messages)
        yield messages


def whole(message: Message) -> Message:
    if message.error():
        raise KafkaException(message.error())
    return message


def by_json(messages: list[Message]) -> pa.Table:
    return pa.Table.from_pylist([json.loads(message.value()) for message in messages], TEXT)


def by_arrow(messages: list[Message]) -> pa.Table:
    lines = b"\n".join(message.value() for message in messages)
    options = pyarrow.json.ParseOptions(explicit_schema=TEXT)
    read = pyarrow.json.ReadOptions(block_size=16 * 2**20)
    return pyarrow.json.read_json(io.BytesIO(lines), read_options=read, parse_options=options)


PARSED = {"json": by_json, "arrow": by_arrow}


def write(events: pa.Table, messages: list[Message], table: Path, number: int) -> None:
    """A file for each hour, with the same columns as the job's."""
    text = events["ts"]
    hours = pc.utf8_slice_codeunits(text, 0, 13)
    moments = pc.cast(pc.utf8_slice_codeunits(text, 0, 23), pa.timestamp("us"))
    rows = events.set_column(1, "ts", pc.assume_timezone(moments, "UTC"))
    rows = rows.append_column("_topic", pa.repeat(messages[0].topic(), len(messages)))
    rows = rows.append_column("_partition", pa.array([message.partition() for message in messages], pa.int32()))
    rows = rows.append_column("_offset", pa.array([message.offset() for message in messages], pa.int64()))
    times = pa.array([message.timestamp()[1] for message in messages], pa.timestamp("ms", "UTC"))
    rows = rows.append_column("_timestamp", times)
    for hour in pc.unique(hours).to_pylist():
        folder = table / f"dt={hour[:10]}" / f"hr={hour[11:]}"
        folder.mkdir(parents=True, exist_ok=True)
        part = rows.filter(pc.equal(hours, hour))
        pyarrow.parquet.write_table(part, folder / f"{number:06}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
