"""realms/identifiers.py: only what is a UUID is read as one."""

from uuid import UUID

import pytest

from realms.identifiers import uuid_in


def test_a_uuid_is_read() -> None:
    assert uuid_in("6f1de3a0-0000-4000-8000-00000000000a") == UUID(int=0x6F1DE3A0000040008000_00000000000A)


@pytest.mark.parametrize("text", ["", "x", "6f1de3a0", "6f1de3a0-0000-4000-8000-00000000000g", "\x00"])
def test_whatever_else_comes_is_none(text: str) -> None:
    assert uuid_in(text) is None
