"""Colours that everybody can read: contrast by WCAG 2.2, §1.4.3 and its definition of relative luminance."""

import re
from enum import StrEnum

COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
LEAST_CONTRAST = 4.5
_LINEAR_BELOW = 0.04045


class Scheme(StrEnum):
    """What a person's device prefers (`prefers-color-scheme`)."""

    LIGHT = "light"
    DARK = "dark"


# What pages are written on, in static/signet/site.css too: an accent is the colour of links on it, and of buttons,
# whose words have the paper's own colour.
PAPER = {Scheme.LIGHT: "#fbfaf7", Scheme.DARK: "#14181f"}


def contrast(one: str, other: str) -> float:
    """How well one colour can be told from another: 1 not at all, 21 as black from white.

    Arguments:
        one: as #rrggbb, in small letters.
        other: likewise.
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def fault(colour: str, scheme: Scheme) -> str | None:
    """Why a colour can't be the accent of pages, in a sentence; None where it can.

    Arguments:
        colour: as #rrggbb in small letters, or "" for none of one's own.
        scheme: in which it would be shown.
    """
    if not colour:
        return None
    if not COLOUR.fullmatch(colour):
        return "Write a colour as # and six of the digits 0-9 and a-f, such as #1f6f54."
    found = contrast(colour, PAPER[scheme])
    if found >= LEAST_CONTRAST:
        return None
    # Rounded down: 4.499 is not 4.5.
    return (
        f"On {scheme} pages this colour has a contrast of {int(found * 100) / 100:.2f}:1, and words in it can be read "
        f"from {LEAST_CONTRAST}:1 on: choose a {'darker' if scheme is Scheme.LIGHT else 'lighter'} one."
    )


def sheet(*, accent: str, accent_dark: str) -> str:
    """The style sheet that lays a realm's colours over Signet's own.

    Arguments:
        accent: for the light scheme, "" for Signet's own; both were held against `fault`.
        accent_dark: for the dark scheme.
    """
    shown = ((Scheme.LIGHT, accent), (Scheme.DARK, accent_dark))
    return "".join(
        f"@media (prefers-color-scheme: {scheme}) {{\n  :root {{ --seal: {colour}; }}\n}}\n"
        for scheme, colour in shown
        if colour
    )


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= _LINEAR_BELOW else ((part + 0.055) / 1.055) ** 2.4
