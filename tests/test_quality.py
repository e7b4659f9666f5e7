import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from transforms.envelope import REJECT
from transforms.quality import reject_if

pytestmark = pytest.mark.usefixtures("ansi")


def negative():
    return F.col("n") < 0


def odd():
    return F.col("n") % 2 != 0


def test_the_first_broken_rule_is_named_and_null_breaks_none(spark):
    expected = spark.createDataFrame(
        [(2, None), (1, "odd"), (-2, "negative"), (-1, "negative"), (None, None)], f"n int, {REJECT} string"
    )
    out = expected.select("n").transform(reject_if({"negative": negative, "odd": odd}))
    assert_df_equality(out, expected)


def test_an_earlier_rejection_stays(spark):
    before = spark.createDataFrame([(1, "earlier"), (1, None), (2, None)], f"n int, {REJECT} string")
    expected = spark.createDataFrame([(1, "earlier"), (1, "odd"), (2, None)], f"n int, {REJECT} string")
    assert_df_equality(before.transform(reject_if({"odd": odd})), expected)


def test_no_rules_reject_nothing(spark):
    expected = spark.createDataFrame([(1, None)], f"n int, {REJECT} string")
    assert_df_equality(expected.select("n").transform(reject_if({})), expected)


def test_a_rule_behind_the_first_broken_one_is_not_evaluated(spark):
    def explosive():
        return F.raise_error(F.lit("evaluated")).isNotNull()

    numbers = spark.createDataFrame([(-1,)], "n int").transform(
        reject_if({"negative": negative, "explosive": explosive})
    )
    assert numbers.first()[REJECT] == "negative"
