"""What the tests of a worker's memories share: a database that is away, and how often it was asked."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext


def _unreachable(*_: object, **__: object) -> Any:
    raise OperationalError("connection refused")


@contextmanager
def database_away() -> Iterator[None]:
    """Every statement fails, as if the server were gone."""
    with connection.execute_wrapper(_unreachable):
        yield


def queries(work: Callable[[], object]) -> int:
    """How many statements some work takes."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)
