"""Names and addresses are compared in one canonical form."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.errors import NameRefused
from accounts.names import (
    MAX_EMAIL,
    MAX_ROLES_TEXT,
    MAX_USERNAME,
    canonical,
    check_email,
    check_roles,
    check_username,
)

pytestmark = pytest.mark.spec("Unicode §3.13.5")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana", "ana"),
        ("ａｎａ", "ana"),
        ("STRASSE", "straße"),
        ("e\u0301ve", "éve"),
        ("ﬁona", "fiona"),
        ("ΑΓΓΕΛΟΣ", "αγγελος"),
        ("Ana@Example.ORG", "ana@example.org"),
    ],
)
def test_names_that_read_the_same_are_one(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_names_that_read_differently_stay_two() -> None:
    assert canonical("ana") != canonical("anna")
    assert canonical("ana ") != canonical("ana")


@settings(deadline=None)
@given(st.text())
def test_the_canonical_form_of_a_canonical_form_is_itself(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@settings(deadline=None)
@given(st.text())
def test_upper_and_lower_case_never_make_two_people(text: str) -> None:
    assert canonical(text) == canonical(text.casefold())
    assert canonical(text) == canonical(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize("name", ["ana", "Ana.Maria-2", "ana@example.org", "Ωμέγα", "李小龙", "x" * MAX_USERNAME])
def test_ordinary_names_are_allowed(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * (MAX_USERNAME + 1),
        "ﷺ" * 10,
        "a b",
        "a\tb",
        "a\0b",
        "a\u200bb",
        "a\u202eb",
        "\ud800",
        "a\u2028b",
        "\u0378",
        *(f"ana{unseen}" for unseen in "\u034f\u115f\u1160\u17b4\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100"),
    ],
)
def test_names_that_could_deceive_are_refused(name: str) -> None:
    with pytest.raises(NameRefused):
        check_username(name)


@pytest.mark.parametrize(
    "address",
    ["", "ana@example.org", "a+b@xn--bcher-kva.example", "a.b-c_d@EXAMPLE.org", "o'brien@localhost"],
)
def test_ordinary_addresses_are_allowed(address: str) -> None:
    assert check_email(address) == address


@pytest.mark.spec("OIDC Core §5.1 email")
@pytest.mark.parametrize(
    "address",
    ["ana", "ana@", "@example.org", "a b@c", "a@b@c", "a\u200b@b.c", "a@b\0", "x" * MAX_EMAIL + "@y.z", "a..b@c.d",
     ".a@b.c", "a.@b.c", "a@b..c", "a@.b", "a@b.", "a@-b.c", "a,b@c.d", "<a>@b.c", "(x)@b.c", "a:b@c.d", "a;b@c.d",
     "a[b@c.d", "a\\b@c.d", '"a b"@c.d', "ä@b.c", "a@ä.c", "a@b.c\n", "a@[127.0.0.1]", "a@b_c.d"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(NameRefused):
        check_email(address)


def test_roles_come_out_sorted_and_once() -> None:
    assert check_roles(["reader", "editor", "reader"]) == ["editor", "reader"]
    assert check_roles([]) == []


@pytest.mark.parametrize("role", ["", "a b", "-a", "ä", "a" * 65, 'a"b'])
def test_a_role_with_another_form_is_refused(role: str) -> None:
    with pytest.raises(NameRefused):
        check_roles([role])


def test_roles_that_would_not_fit_into_a_token_are_refused() -> None:
    fitting = ["a" * 60, "b" * 60]
    assert check_roles(fitting) == fitting
    with pytest.raises(NameRefused, match=str(MAX_ROLES_TEXT)):
        check_roles([*fitting, "c" * 10])
