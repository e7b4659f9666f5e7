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


def stepped(names: list[str], batches: int, store: str) -> dict[str, Steps]:
    """Each contender alone, on the same topic of one partition."""
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(Broker(folder / "broker"))
        s3 = stack.enter_context(S3Server(folder)) if store == "s3" else None
        broker.create_topic("steps", 1)
        broker.produce("steps", ((*event[:4], None) for event in access_log_events(batches, seed=1, broken=0)))
        found = {}
        for number, name in enumerate(names):
            print(f"== {name}", flush=True)
            place = Place(folder / f"{number}", s3)
            work = Work(broker.bootstrap, "steps", place.table("table"), most=1, store=place.environment)
            mark = (lambda: s3.log.stat().st_size) if s3 else None
            run = measured(CONTENDERS[name](work), folder / f"{number}.log", mark)
            if len(run.batches) != batches:
                raise RuntimeError(f"{name} told of {len(run.batches)} batches of {batches}")
            at = [moment for moment, _ in run.batches]
            counted = traffic.between(s3.log, [line["mark"] for _, line in run.batches]) if s3 else []
            times = [1000 * (after - before) for before, after in pairwise(at)]
            found[name] = Steps(times, counted, place.objects("table"))
        return found
