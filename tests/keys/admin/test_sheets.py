"""The admin's look: enough contrast in light and dark, nothing inline and nothing from elsewhere."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from keys.models import KeyPair, KeyRing
from tests.keys.admin.pages import ADD_RING, FRONT, KEYS, RINGS, of_key, of_ring
from tests.provider import Browser

SHEETS = Path(settings.BASE_DIR) / "static" / "signet"
OURS = ("palette.css", "admin.css", "entrance.css", "keys.css", "timetable.css")
PALETTE = (SHEETS / "palette.css").read_text()


def colours(block: str) -> dict[str, str]:
    """The names and colours of one block of the palette, with one look-up followed."""
    found = dict(re.findall(r"--([a-z-]+):\s*([^;]+);", block))
    return {name: found[value[6:-1]] if value.startswith("var(") else value for name, value in found.items()}


LIGHT = colours(PALETTE[: PALETTE.index("@media")])
DARK = colours(PALETTE[PALETTE.index("@media") : PALETTE.index('html[data-theme="dark"]')])
CHOSEN_DARK = colours(PALETTE[PALETTE.index('html[data-theme="dark"]') :])


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2 §1.4.3)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXTS = [
    *((text, ground) for text in ("body-fg", "body-quiet-color", "body-medium-color", "body-loud-color", "link-fg",
                                  "error-fg", "signing-fg")
      for ground in ("body-bg", "card-bg", "darkened-bg")),
    *((text, "header-bg") for text in ("header-color", "header-branding-color", "header-link-color")),
    *((text, "breadcrumbs-bg") for text in ("breadcrumbs-fg", "breadcrumbs-link-fg")),
    *(("button-fg", ground) for ground in (
        "button-bg", "button-hover-bg", "default-button-bg", "default-button-hover-bg", "close-button-bg",
        "close-button-hover-bg", "delete-button-bg", "delete-button-hover-bg", "object-tools-bg",
        "object-tools-hover-bg")),
    *(("body-fg", f"message-{kind}-bg") for kind in ("success", "info", "warning", "error")),
    *((f"{state}-fg", f"{state}-bg") for state in ("waiting", "signing", "verifying", "archived", "compromised")),
    ("body-fg", "verifying-bg"), ("body-fg", "selected-row"), ("link-fg", "selected-row"), ("link-fg", "selected-bg"),
    ("compromised-fg", "card-bg"), ("compromised-fg", "body-bg"), ("compromised-fg", "darkened-bg"),
]  # fmt: skip
SHAPES = [
    *((f"{state}-fg", ground) for state in ("waiting", "signing", "verifying", "archived", "compromised")
      for ground in ("card-bg", "darkened-bg")),
    ("control-border", "card-bg"), ("brass", "header-bg"),
]  # fmt: skip


@pytest.mark.spec("WCAG 2.2 §1.4.3")
@pytest.mark.parametrize(("text", "ground"), TEXTS)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(palette: dict[str, str], text: str, ground: str) -> None:
    assert contrast(palette[text], palette[ground]) >= 4.5


@pytest.mark.spec("WCAG 2.2 §1.4.11")
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_shapes_can_be_told_from_their_ground(palette: dict[str, str], shape: str, ground: str) -> None:
    assert contrast(palette[shape], palette[ground]) >= 3


def test_dark_is_the_same_whether_the_system_or_the_switch_asks_for_it() -> None:
    assert DARK == CHOSEN_DARK
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("name", OURS)
def test_a_sheet_fetches_nothing(name: str) -> None:
    sheet = (SHEETS / name).read_text()
    assert "@import" not in sheet
    assert all(address.startswith('"#') for address in re.findall(r"url\(([^)]*)\)", sheet))


def test_no_page_has_inline_script_or_style_or_anything_from_elsewhere(
    operator: Browser, ring: KeyRing, active: KeyPair
) -> None:
    addresses = [
        FRONT, RINGS, KEYS, ADD_RING, "/admin/audit/event/", "/admin/realms/realm/", "/admin/accounts/user/add/",
        "/admin/password_change/", of_ring(ring), of_ring(ring, "rotate"), of_key(active), of_key(active, "compromise"),
    ]  # fmt: skip
    pages = [operator.get(address) for address in addresses] + [Browser().get("/admin/login/")]
    for page in pages:
        assert page.status_code == 200
        text = page.content.decode()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
        assert all(" src=" in script for script in re.findall(r"<script[^>]*>", text))
        sources = re.findall(r'<(?:script|link|img|iframe)[^>]*\s(?:src|href)="([^"]+)"', text)
        assert sources
        assert all(source.startswith("/") and not source.startswith("//") for source in sources)


@pytest.mark.spec("CSP Level 3")
def test_the_policy_of_every_page_allows_nothing_inline(operator: Browser, ring: KeyRing) -> None:
    for address in (FRONT, of_ring(ring), "/admin/login/"):
        policy = operator.get(address)["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "data:" not in policy


@pytest.mark.spec("WCAG 2.2 §1.4.10: a kid among the breadcrumbs of a narrow page")
def test_a_kid_among_the_breadcrumbs_may_break() -> None:
    rules = re.findall(r"^div\.breadcrumbs \{([^}]*)\}", (SHEETS / "admin.css").read_text(), re.MULTILINE)
    assert any("overflow-wrap: anywhere" in rule for rule in rules)
