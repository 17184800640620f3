"""How values are read from JSON, strictly."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest

from idp_project.configuration.forms import (
    FLAG,
    JWKS,
    SCOPES,
    SPAN,
    TEXT,
    TEXTS,
    Form,
    Malformed,
    or_null,
    word_of,
    words_of,
)
from tests.tokens.clients import jwk, jwks, key

pytestmark = pytest.mark.spec("issue 3 of 6: import_config")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


TOO_LONG = "P999999999DT999999999H"
SYMMETRIC = {"keys": [{"kty": "oct", "k": "AAAA"}]}
KEYS = jwks((key(), "ES256", "k1"))


@pytest.mark.parametrize(
    ("form", "found", "value"),
    [
        (FLAG, True, True),
        (TEXT, "", ""),
        (TEXT, "é 中", "é 中"),
        (SPAN, "PT5M", timedelta(minutes=5)),
        (TEXTS, [], ()),
        (TEXTS, ["a", "b"], ("a", "b")),
        (SCOPES, "", ()),
        (SCOPES, "a b", ("a", "b")),
        (word_of(Colour), "red", Colour.RED),
        (words_of(Colour), ["blue", "red"], (Colour.BLUE, Colour.RED)),
        (or_null(SPAN), None, None),
        (or_null(SPAN), "P3650D", timedelta(days=3650)),
        (JWKS, KEYS, KEYS),
    ],
)
def test_what_is_read_is_written_as_it_was(form: Form, found: Any, value: Any) -> None:
    read = form.read(found)
    assert (read, type(read)) == (value, type(value))
    assert form.write(value) == found


WRONG: list[tuple[Form, list[Any]]] = [
    (FLAG, [1, 0, "true", None, [], {}]),
    (TEXT, [1, None, [], True, "x" * 2001, "a\0", "a\nb", "\ud800", "\x7f"]),
    (SPAN, [300, None, "5 minutes", "", "PT5M ", "-PT5M", "P3651D", TOO_LONG]),
    (TEXTS, ["a", None, {}, [1], [["a"]], ["a\0"], ["a"] * 1001, {"a": 1}]),
    (SCOPES, [["a"], None, 1, "a\tb", "x" * 4001, "\ud800"]),
    (word_of(Colour), ["green", "", None, 1, ["red"], "RED", {}]),
    (words_of(Colour), ["red", None, ["green"], [None], [["red"]], {"red": 1}, ["red"] * 1001]),
    (JWKS, [None, [], "{}", {}, {"keys": []}, {"keys": [1]}, SYMMETRIC]),
]


@pytest.mark.parametrize(("form", "found"), [(form, found) for form, several in WRONG for found in several])
def test_what_is_of_another_kind_is_refused_without_repeating_it(form: Form, found: Any) -> None:
    with pytest.raises(Malformed) as caught:
        form.read(found)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def test_a_jwk_set_is_kept_as_create_client_keeps_it() -> None:
    comment = {"keys": [jwk(key(), "ES256", "k1", alg="ES256", x5c=["…"])], "comment": "…"}
    assert JWKS.read(comment) == KEYS
    private = {"keys": [KEYS["keys"][0] | {"d": "canary"}]}
    with pytest.raises(Malformed, match="this one has leaked") as caught:
        JWKS.read(private)
    assert "canary" not in str(caught.value)
