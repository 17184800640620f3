"""The picture of an address: what is in the PNG is the code, dark on white, with its quiet zone."""

import base64
import struct
import zlib

import pytest
import segno

from accounts.qr_codes import png_data_uri

ADDRESSES = [
    "https://id.example.org/device?user_code=WDJB-MJHT",
    "http://127.0.0.1:8080/realms/a-realm-with-a-long-name/device?user_code=WDJB-MJHT",
]


def pixels_of(png: bytes) -> list[list[bool]]:
    """Which pixels of a PNG of two greys are dark (ISO/IEC 15948 §9.2, filters 0 and 2)."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, offset, packed = {}, 8, b""
    while offset < len(png):
        length, kind = struct.unpack(">I4s", png[offset : offset + 8])
        chunks[kind] = png[offset + 8 : offset + 8 + length]
        packed += chunks[kind] if kind == b"IDAT" else b""
        offset += 12 + length
    width, height, depth, colours = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colours) == (1, 0)  # a bit a pixel: nought is black
    raw, stride = zlib.decompress(packed), 1 + (width + 7) // 8
    above, rows = bytes(stride - 1), []
    for number in range(height):
        filtered, line = raw[number * stride], raw[number * stride + 1 : (number + 1) * stride]
        assert filtered in (0, 2)
        above = bytes((x + up) % 256 for x, up in zip(line, above, strict=True)) if filtered else line
        rows.append([not above[x // 8] >> (7 - x % 8) & 1 for x in range(width)])
    return rows


@pytest.mark.spec("RFC 8628 §3.3.1, ISO/IEC 18004")
@pytest.mark.parametrize("address", ADDRESSES)
def test_the_picture_is_the_code_of_the_address(address: str) -> None:
    kind, _comma, encoded = png_data_uri(address).partition(",")
    assert kind == "data:image/png;base64"
    code = segno.make(address, error="l", micro=False).matrix_iter(scale=8, border=4)
    assert pixels_of(base64.b64decode(encoded)) == [[bool(dark) for dark in row] for row in code]


@pytest.mark.spec("issue: keep the response small")
@pytest.mark.parametrize("address", ADDRESSES)
def test_it_is_small(address: str) -> None:
    assert len(png_data_uri(address)) < 1_024
