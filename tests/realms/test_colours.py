"""Colours that everybody can read (WCAG 2.2 §1.4.3)."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from realms.colours import LEAST_CONTRAST, PAPER, Scheme, contrast, fault, sheet

pytestmark = pytest.mark.spec("WCAG 2.2 §1.4.3")
SHEET = (Path(settings.BASE_DIR) / "static/signet/site.css").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),  # the lightest grey that can be read on white, as is well known
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize(
    ("colour", "scheme", "said"),
    [
        ("", Scheme.LIGHT, None),
        ("#1f6f54", Scheme.LIGHT, None),
        ("#1f6f54", Scheme.DARK, "a lighter one"),
        ("#7ad6c7", Scheme.DARK, None),
        ("#7ad6c7", Scheme.LIGHT, "a darker one"),
        ("#fbfaf7", Scheme.LIGHT, "1.00:1"),
        ("#1F6F54", Scheme.LIGHT, "Write a colour as"),
        ("#fff", Scheme.LIGHT, "Write a colour as"),
        ("red", Scheme.LIGHT, "Write a colour as"),
        ("#1f6f54\n", Scheme.LIGHT, "Write a colour as"),
        ("#1f6f5٤", Scheme.LIGHT, "Write a colour as"),
        ("#1f6f54; } body { display: none", Scheme.LIGHT, "Write a colour as"),
    ],
)
def test_what_nobody_can_read_is_refused(colour: str, scheme: Scheme, said: str | None) -> None:
    found = fault(colour, scheme)
    assert found is None if said is None else said in (found or "")


def test_a_contrast_that_falls_short_is_never_told_as_enough() -> None:
    near = [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in range(0x60, 0x90)]
    told = [fault(colour, Scheme.LIGHT) for colour in near if contrast(colour, PAPER[Scheme.LIGHT]) < LEAST_CONTRAST]
    assert told
    assert all(f"contrast of {LEAST_CONTRAST}" not in (sentence or "") for sentence in told)


def test_the_papers_are_those_of_the_style_sheet() -> None:
    assert re.findall(r"--paper: (#[0-9a-f]{6})", SHEET) == [PAPER[Scheme.LIGHT], PAPER[Scheme.DARK]]


@pytest.mark.parametrize("name", ["seal", "alarm"])
def test_signets_own_colours_can_be_read(name: str) -> None:
    found = re.findall(rf"--{name}: (#[0-9a-f]{{6}})", SHEET)
    assert [fault(colour, scheme) for colour, scheme in zip(found, Scheme, strict=True)] == [None, None]


def test_the_sheet_has_what_the_realm_has() -> None:
    assert sheet(accent="", accent_dark="") == ""
    both = sheet(accent="#1f6f54", accent_dark="#7ad6c7")
    assert both.count("@media") == 2
    assert both.index("#1f6f54") < both.index("dark)") < both.index("#7ad6c7")
    assert "light" not in sheet(accent="", accent_dark="#7ad6c7")
