"""Which clients move first: a stable share of them, so that raising it only adds (keys.md Moving to another algorithm).

Nobody chooses the share, and no client is first in every migration.
"""

import hashlib

_WHOLE = 100
_PLACES = 1 << 64


def parse_share(text: str) -> int:
    """A share in percent.

    Raises:
        ValueError: it is no whole number from 0 to 100.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_WHOLE)) or int(text) > _WHOLE:
        raise ValueError("A share is a whole number from 0 to 100.")
    return int(text)


def in_share(client_id: str, percent: int, *, source: str, target: str) -> bool:
    """Whether a client is among the first so many percent of a migration.

    Arguments:
        client_id: whose place among all.
        percent: from 0 for nobody to 100 for everybody.
        source, target: the two algorithms; another migration begins with others.
    """
    digest = hashlib.sha256(f"{source} {target} {client_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * _WHOLE < percent * _PLACES
