"""Scopes: what is asked for, what a client may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokens import scopes
from tokens.errors import InvalidScope


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("read", ("read",)),
        ("write read", ("write", "read")),
        ("read read write read", ("read", "write")),
        ("Read read", ("Read", "read")),
        ("https://api.example.test/read:all !#$[]~", ("https://api.example.test/read:all", "!#$[]~")),
    ],
)
def test_a_scope_is_a_list_of_names_between_single_spaces(text: str, found: tuple[str, ...]) -> None:
    assert scopes.parse(text) == found


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.parametrize("text", [" ", " read", "read ", "a  b", "a\tb", "a\nb", 'a"b', "a\\b", "é", "a\x7f", "a\0"])
def test_anything_else_is_an_invalid_scope(text: str) -> None:
    with pytest.raises(InvalidScope) as refusal:
        scopes.parse(text)
    assert refusal.value.code == "invalid_scope"


@given(st.text(max_size=30))
def test_what_is_understood_can_be_written_again(text: str) -> None:
    try:
        found = scopes.parse(text)
    except InvalidScope:
        return
    assert scopes.parse(" ".join(found)) == found


@pytest.mark.spec("RFC 6749 §3.3 scope-default")
def test_whoever_asks_for_nothing_gets_everything_and_whoever_asks_gets_that() -> None:
    assert scopes.within((), ("read", "write")) == ("read", "write")
    assert scopes.within(("write",), ("read", "write")) == ("write",)
    assert scopes.within((), ()) == ()


@pytest.mark.spec("RFC 6749 §5.2, RFC 9700 §2.3 least-privilege")
@pytest.mark.parametrize("asked", [("admin",), ("read", "admin"), ("READ",)])
def test_more_than_is_registered_is_refused_and_not_cut_down(asked: tuple[str, ...]) -> None:
    with pytest.raises(InvalidScope):
        scopes.within(asked, ("read",))


@pytest.mark.spec("OpenID Connect Core §5.4")
def test_scopes_about_people_mean_nothing_without_a_person() -> None:
    everything = ("openid", "profile", "email", "address", "phone", "offline_access", "read")
    assert scopes.without_people(everything) == ("read",)
