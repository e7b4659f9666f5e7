import pytest
from chispa import assert_df_equality

from transforms.envelope import ENVELOPE, REJECT
from transforms.raw import raw

pytestmark = pytest.mark.usefixtures("ansi")


def test_key_value_and_headers_stay_to_the_byte_and_nothing_is_rejected(records, spark):
    values = [b"", None, b"\x00\xff", "größer".encode(), b'{"a":1}', bytes(range(256))]
    came = records(*values)
    headers = [("producer", b"\xff\x00")]
    expected = spark.createDataFrame(
        [(b"key", value, headers, None) for value in values],
        f"key binary, value binary, headers array<struct<key:string,value:binary>>, {REJECT} string",
    )
    out = came.transform(raw)
    assert_df_equality(out.select("key", "value", "headers", REJECT), expected)
    assert_df_equality(out.select(ENVELOPE), came)
