"""A translation made by a test: the binary form of a gettext catalogue (GNU gettext manual, MO Files)."""

import struct
from collections.abc import Mapping
from pathlib import Path

_MAGIC = 0x950412DE
_HEADER = 28  # bytes: seven numbers
_HEAD = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"


def write_catalogue(folder: Path, language: str, texts: Mapping[str, str]) -> None:
    """Write a compiled catalogue where Django looks for it.

    Arguments:
        folder: one of the setting LOCALE_PATHS.
        language: its code, such as `de`.
        texts: what stands for what; forms of the plural are joined by a NUL.
    """
    pairs = [(one.encode(), other.encode()) for one, other in sorted({"": _HEAD, **texts}.items())]
    offset = _HEADER + 16 * len(pairs)
    tables: list[bytes] = []
    strings = b""
    for side in (0, 1):
        table = b""
        for pair in pairs:
            table += struct.pack("<II", len(pair[side]), offset + len(strings))
            strings += pair[side] + b"\0"
        tables.append(table)
    header = struct.pack("<7I", _MAGIC, 0, len(pairs), _HEADER, _HEADER + 8 * len(pairs), 0, 0)
    target = folder / language / "LC_MESSAGES"
    target.mkdir(parents=True)
    (target / "django.mo").write_bytes(header + b"".join(tables) + strings)
