"""A text as a picture that phones read (ISO/IEC 18004), for pages and for devices that can't draw one themselves."""

import segno

_MODULE = 8  # pixels; a code for an address is some 300 pixels wide
_QUIET_ZONE = 4  # modules, as the standard wants it


def png_data_uri(text: str) -> str:
    """A QR code as a PNG in a data URI: dark on white, so that it is read on a dark screen too.

    A PNG of two colours takes some 600 characters, an SVG of the same code three times as many, and more
    devices can show it. The lowest error correction keeps it coarse: a screen has no scratches.

    Arguments:
        text: an address that this provider made.
    """
    uri: str = segno.make(text, error="l", micro=False).png_data_uri(scale=_MODULE, border=_QUIET_ZONE)
    return uri
