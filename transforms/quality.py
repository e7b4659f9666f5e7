"""Rules that name what is wrong with a record instead of dropping it."""

from collections.abc import Callable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.envelope import REJECT


def reject_if(rules: dict[str, Callable[[], Column]]) -> Callable[[DataFrame], DataFrame]:
    """A transform that puts the name of the first broken rule in `_reject`, null where none is.

    An earlier `_reject` stays. A rule is a function, for a Column can't be made before there is a session; it is broken
    where it is true, not where it is null. Rules behind the first broken one aren't evaluated.
    """

    def judged(records: DataFrame) -> DataFrame:
        earlier = F.col(REJECT) if REJECT in records.columns else F.lit(None).cast("string")
        broken = (F.when(rule(), name) for name, rule in rules.items())
        return records.withColumn(REJECT, F.coalesce(earlier, *broken))

    return judged
