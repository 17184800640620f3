"""Which language a page speaks: the dearest wish that can be fulfilled, and no wish is an error."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.locales import MAX_TEXT, MAX_WISHES, offered_of, tags_accepted, tags_of, ui_locales_in

OFFERED = ("en", "de", "fr", "pt-br", "zh-hans")


@pytest.mark.spec("OpenID Connect Core §3.1.2.1, ui_locales")
@pytest.mark.parametrize(
    ("ui_locales", "language"),
    [
        ("de", "de"),
        ("fr-CA fr en", "fr"),
        ("it de en", "de"),
        ("DE-at", "de"),
        ("pt-BR", "pt-br"),
        ("zh-Hans-CN-x-private", "zh-hans"),
        ("pt", None),  # RFC 4647 §3.4: what is narrower than the wish doesn't fulfil it
        ("it es", None),
        ("", None),
        (" de", "de"),
        ("d e", None),
        ("de_DE", None),
        ("de;q=1", None),
        ("../../de", None),
        ("de\n", None),
        ("de\0", None),
        ("ｄｅ", None),
        ("e" * 9, None),
        ("de-" + "x" * 9, None),
        (" ".join(["it"] * MAX_WISHES) + " de", None),
        ("de " + "x" * MAX_TEXT, None),
    ],
)
def test_the_dearest_wish_that_can_be_fulfilled(ui_locales: str, language: str | None) -> None:
    assert offered_of(tags_of(ui_locales), OFFERED) == language


@pytest.mark.spec("RFC 9110 §12.5.4")
@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ("de-CH, fr;q=0.9, en;q=0.8", ["de-CH", "fr", "en"]),
        ("en;q=0.5,de", ["de", "en"]),
        ("en; q=0.5 , de ;Q=0.7", ["de", "en"]),
        ("de;q=0, en", ["en"]),
        ("*, de;q=0.1", ["de"]),
        ("de;q=1.001, fr;q=2, en;q=-1, it;q=x, es;q=1.", ["es"]),
        ("en, de", ["en", "de"]),
        ("", []),
        (",,;,", []),
        ("de," + "x" * MAX_TEXT, []),
        (",".join(["it"] * MAX_WISHES) + ",de", ["it"] * MAX_WISHES),
    ],
)
def test_a_browser_names_languages_with_weights(header: str, tags: list[str]) -> None:
    assert tags_accepted(header) == tags


REQUEST = "/authorize?" + urlencode({"client_id": "app", "ui_locales": "de fr"})


@pytest.mark.parametrize(
    ("query", "ui_locales"),
    [
        ("ui_locales=de+fr", "de fr"),
        (urlencode({"next": REQUEST}), "de fr"),
        (urlencode({"next": REQUEST, "ui_locales": "en"}), "en"),
        (urlencode({"next": REQUEST, "ui_locales": ""}), "de fr"),
        ("ui_locales=de&ui_locales=fr", ""),
        ("next=/authorize?ui_locales=de&ui_locales=fr", "fr"),  # the second one is the page's own
        (f"next={quote('/authorize?ui_locales=de&ui_locales=fr')}", ""),
        ("next=a&next=b", ""),
        ("next=%ff%fe", ""),
        ("", ""),
        ("x=1&" * 100 + "ui_locales=de", ""),
        ("ui_locales=de&x=" + "x" * 40_000, ""),
    ],
)
def test_a_wish_stands_in_the_address_or_in_the_request_that_it_leads_back_to(query: str, ui_locales: str) -> None:
    assert ui_locales_in(query) == ui_locales


@given(st.text(), st.text())
def test_no_text_is_an_error(query: str, header: str) -> None:
    assert offered_of(tags_of(ui_locales_in(f"ui_locales={query}")), OFFERED) in {None, *OFFERED}
    assert offered_of(tags_of(query), OFFERED) in {None, *OFFERED}
    assert offered_of(tags_accepted(header), OFFERED) in {None, *OFFERED}
    ui_locales_in(query)
