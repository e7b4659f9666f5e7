"""A topic drained record by record: what each batch took, when nearly all of it is what any batch takes."""

import tempfile
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.bench import traffic
from tests.bench.contenders import CONTENDERS, Work
from tests.bench.measured import measured
from tests.bench.place import Place
from tests.kit.broker import Broker
from tests.kit.events import access_log_events
from tests.kit.s3 import S3Server


class Steps(NamedTuple):
    """Of batch 2, 3, …: milliseconds since the line of the one before, and requests if the store is S3."""

    milliseconds: list[float]
    requests: list[Counter[str]]
    objects: int  # at the end

    def of(self, values: list, first: int, last: int) -> list:
        """Those of batches `first` to `last`; the first batch is number 1, and has none."""
        return values[first - 2 : last - 1]

    def mean(self, first: int, last: int) -> dict[str, float]:
        """Requests of each kind."""
        counted = self.of(self.requests, first, last)
        return {kind: number / len(counted) for kind, number in sum(counted, Counter()).items()}


def stepped(names: list[str], batches: int, store: str) -> dict[str, Steps]:
    """Each contender alone, on the same topic of one partition, and on S3 with a server of its own: the stand-in takes
    longer to list the more it holds."""
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        broker.create_topic("steps", 1)
        broker.produce("steps", ((*event[:4], None) for event in access_log_events(batches, seed=1, broken=0)))
        found = {}
        for number, name in enumerate(names):
            print(f"== {name}", flush=True)
            with ExitStack() as stack:
                s3 = stack.enter_context(S3Server(folder)) if store == "s3" else None
                found[name] = alone(name, broker, batches, Place(folder / f"{number}", s3))
        return found


def alone(name: str, broker: Broker, batches: int, place: Place) -> Steps:
    work = Work(broker.bootstrap, "steps", place.table("table"), most=1, store=place.environment)
    mark = (lambda: place.s3.log.stat().st_size) if place.s3 else None
    run = measured(CONTENDERS[name](work), place.folder / "job.log", mark)
    if len(run.batches) != batches:
        raise RuntimeError(f"{name} told of {len(run.batches)} batches of {batches}")
    times = [1000 * (after - before) for (before, _), (after, _) in pairwise(run.batches)]
    counted = traffic.between(place.s3.log, [line["mark"] for _, line in run.batches]) if place.s3 else []
    return Steps(times, counted, place.objects("table"))
