"""Names and ports, before Kafka has a part in it."""

import socket

from jobs.network import connect, failing, resolve


def test_names_without_an_address_and_closed_ports_are_told_with_the_reason():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        open_ = f"127.0.0.1:{server.getsockname()[1]}"
        closed = f"127.0.0.1:{other.getsockname()[1]}"
        other.close()
        assert failing(connect, [open_, closed]) == {closed: "Connection refused"}
    lost = failing(resolve, ["127.0.0.1:1", "[::1]:1", "nowhere.invalid:9092"])
    assert list(lost) == ["nowhere.invalid:9092"] and lost["nowhere.invalid:9092"]
