"""What downloads share."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT = 20.0  # seconds without an answer


@contextmanager
def socket_timeout(seconds: float = TIMEOUT) -> Iterator[None]:
    """torchvision's downloads set no timeout: where a firewall swallows packets they would hang for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
