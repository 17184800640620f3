"""Pictures that a realm may show as its logo, told by their own bytes and never by a name.

PNG (W3C, third edition, §5), JPEG (ITU-T T.81, Annex B) and WebP (RFC 9649). No SVG: that is a document which may
hold scripts and links.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BYTES = 131_072
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
SMALLEST, LARGEST = 16, 2048  # pixels of a side
_PNG = b"\x89PNG\r\n\x1a\n"
_HEADERS_LENGTH = 13  # of a PNG's first chunk
_SIZES = {0xC0, 0xC1, 0xC2}  # JPEG: baseline, extended, progressive
_ALONE = {0x01, *range(0xD0, 0xD8)}  # JPEG: marks without a segment
_SCAN, _END = 0xDA, 0xD9
_VP8_START = b"\x9d\x01\x2a"
_VP8L_START = 0x2F
_MOVES = 0x02  # WebP: the flag of an animation


class PictureRefused(ValueError):
    """It is no picture that pages show; the text is one sentence for an operator."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose form was read to its end.

    Attributes:
        media_type: as it is served.
        width: in pixels.
        height: in pixels.
        content: the bytes, as they came.
    """

    media_type: str
    width: int
    height: int
    content: bytes


def picture_of(content: bytes) -> Picture:
    """Read what a picture says of itself.

    Arguments:
        content: whatever somebody uploaded.

    Raises:
        PictureRefused: it is too large, none of the three kinds, cut off, moving, or has something behind its end.
    """
    if len(content) > MOST_BYTES:
        raise PictureRefused(f"The picture has {len(content) // 1024} KiB, and may have {MOST_BYTES // 1024}.")
    try:
        media_type, (width, height) = _read(content)
    except (IndexError, ValueError) as error:
        if isinstance(error, PictureRefused):
            raise
        raise PictureRefused("The picture is cut off or damaged.") from error
    if not (SMALLEST <= width <= LARGEST and SMALLEST <= height <= LARGEST):
        raise PictureRefused(f"The picture has {width} × {height} pixels, and a side may have {SMALLEST} to {LARGEST}.")
    return Picture(media_type, width, height, content)


def _read(content: bytes) -> tuple[str, tuple[int, int]]:
    if content.startswith(_PNG):
        return "image/png", _size_of_png(content)
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", _size_of_jpeg(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", _size_of_webp(content)
    raise PictureRefused("Upload a PNG, JPEG or WebP picture.")


def _size_of_png(content: bytes) -> tuple[int, int]:
    chunks = list(_png_chunks(content))
    (first, header), (last, _) = chunks[0], chunks[-1]
    if first != b"IHDR" or len(header) != _HEADERS_LENGTH or last != b"IEND":
        raise ValueError("not a PNG from its beginning to its end")
    if any(kind == b"acTL" for kind, _body in chunks):
        raise PictureRefused("The picture moves: upload one that stands still.")
    return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        body, check = content[at + 8 : at + 8 + length], content[at + 8 + length : at + 12 + length]
        if zlib.crc32(kind + body).to_bytes(4, "big") != check:
            raise ValueError("a chunk is damaged")
        yield kind, body
        at += 12 + length


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    if not content.endswith(bytes((0xFF, _END))):
        raise ValueError("no end")
    at, size = 2, None
    while True:
        if content[at] != 0xFF:  # noqa: PLR2004 - every mark begins with it
            raise ValueError("no mark where one has to be")
        mark = content[at + 1]
        if mark == 0xFF or mark in _ALONE:  # noqa: PLR2004 - bytes that fill
            at += 1 if mark == 0xFF else 2  # noqa: PLR2004
            continue
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2:  # noqa: PLR2004 - a length counts its own two bytes
            raise ValueError("a segment is cut off")
        if mark in _SIZES:
            size = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
        if mark == _SCAN:
            break
        at += 2 + length
    if size is None:
        raise ValueError("no size before the picture")
    return size


def _size_of_webp(content: bytes) -> tuple[int, int]:
    if int.from_bytes(content[4:8], "little") != len(content) - 8:
        raise ValueError("the length is wrong")
    kind, body = content[12:16], content[20 : 20 + int.from_bytes(content[16:20], "little")]
    if kind == b"VP8 " and body[3:6] == _VP8_START:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and body[0] == _VP8L_START:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        if body[0] & _MOVES:
            raise PictureRefused("The picture moves: upload one that stands still.")
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    raise ValueError("no picture in it")
