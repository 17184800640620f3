"""What a realm's logo may be (W3C PNG §5; ITU-T T.81 Annex B; RFC 9649 §2)."""

import pytest

from realms.pictures import MOST_BYTES, PictureRefused, picture_of
from tests.realms.pictures import chunk, jpeg, png, webp

pytestmark = pytest.mark.spec("issue 3, Pages")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        *((webp(kind), "image/webp") for kind in (b"VP8 ", b"VP8L", b"VP8X")),
    ],
)
def test_a_picture_is_told_by_its_bytes(content: bytes, media_type: str) -> None:
    found = picture_of(content)
    assert (found.media_type, found.width, found.height, found.content) == (media_type, 64, 32, content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Upload a PNG, JPEG or WebP"),
        (SVG, "Upload a PNG, JPEG or WebP"),
        (b"GIF89a" + bytes(100), "Upload a PNG, JPEG or WebP"),
        (b"<!doctype html>", "Upload a PNG, JPEG or WebP"),
        (png() + SVG, "cut off or damaged"),
        (png()[:-4], "cut off or damaged"),
        (png()[:-12], "cut off or damaged"),
        (png().replace(b"IDAT", b"IDAX"), "cut off or damaged"),
        (b"\x89PNG\r\n\x1a\n", "cut off or damaged"),
        (png(more=chunk(b"acTL", bytes(8))), "moves"),
        (jpeg()[:-2], "cut off or damaged"),
        (b"\xff\xd8\xff\xd9", "cut off or damaged"),
        (b"\xff\xd8\xff\xe0\xff\xff\xff\xd9", "cut off or damaged"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "cut off or damaged"),
        (b"\xff\xd8" + b"\xff" * 50 + b"\xd9", "cut off or damaged"),
        (webp() + b"x", "cut off or damaged"),
        (webp()[:-4], "cut off or damaged"),
        (webp(b"VP8X", flags=0x02), "moves"),
        (b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0", "cut off or damaged"),
        (b"RIFF\x04\0\0\0WEBP", "cut off or damaged"),
        (png(15, 32), "15 × 32 pixels"),
        (png(2049, 16), "2049 × 16 pixels"),
        (jpeg(0, 0), "0 × 0 pixels"),
        (png() + bytes(MOST_BYTES), "KiB, and may have 128"),
    ],
)
def test_what_is_no_such_picture_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(PictureRefused, match=said):
        picture_of(content)


def test_no_beginning_of_a_picture_is_one() -> None:
    for whole in (png(), jpeg(), webp()):
        for length in range(len(whole)):
            with pytest.raises(PictureRefused):
                picture_of(whole[:length])
