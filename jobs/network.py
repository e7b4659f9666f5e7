"""What a machine's network says of HOST:PORT addresses, before Kafka has a part in it. Standard library only."""

import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

PATIENCE_S = 5  # what a security group drops never answers
AT_ONCE = 16

Attempt = Callable[[str, int], object]


def resolve(host: str, port: int) -> None:
    socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def connect(host: str, port: int) -> None:
    socket.create_connection((host, port), PATIENCE_S).close()


def failing(attempt: Attempt, addresses: Iterable[str]) -> dict[str, str]:
    """Those of `addresses` where `attempt` fails, and why; all are tried at once."""
    addresses = list(addresses)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        whys = [*pool.map(lambda address: _why(attempt, address), addresses)]
    return {address: why for address, why in zip(addresses, whys, strict=True) if why}


def _why(attempt: Attempt, address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        attempt(host.strip("[]"), int(port))
        return ""
    except OSError as error:
        return error.strerror or str(error)
