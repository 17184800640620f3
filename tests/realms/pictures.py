"""Small pictures made by the rules of their formats."""

import struct
import zlib


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int = 64, height: int = 32, *, more: bytes = b"") -> bytes:
    """A PNG of one colour."""
    rows = (b"\0" + b"\x1f\x6f\x54" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def jpeg(width: int = 64, height: int = 32) -> bytes:
    """The frame of a JPEG: what says how large it is, and an end."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    application = b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    segments = [(0xE0, application), (0xC0, frame), (0xDA, b"\x01\x01\x00\x00\x3f\x00")]
    return (
        b"\xff\xd8"
        + b"".join(bytes((0xFF, mark)) + struct.pack(">H", len(body) + 2) + body for mark, body in segments)
        + b"\x00\xff\xd9"
    )


def webp(kind: bytes = b"VP8L", width: int = 64, height: int = 32, *, flags: int = 0) -> bytes:
    """The beginning of a WebP of one of its three kinds."""
    body = {
        b"VP8 ": b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", width, height),
        b"VP8L": b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + b"\x00",
        b"VP8X": bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"),
    }[kind]
    chunks = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks
