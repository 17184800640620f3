"""The `claims` parameter as text."""

import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.claims import SCOPE_CLAIMS, SUPPORTED_CLAIMS
from tokens.claims_request import ClaimsRequest, parse
from tokens.errors import AuthorizationRefused
from tokens.id_token import PROTOCOL_CLAIMS

WORDS = ("id_token", "userinfo", "sub", "acr", "email", "name", "value", "values", "essential", "x", "email#de")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
)


def asked(**members: Any) -> ClaimsRequest:
    return parse(json.dumps(members))


def refused(text: str) -> str:
    with pytest.raises(AuthorizationRefused) as refusal:
        parse(text)
    assert refusal.value.word == "invalid_request"
    return refusal.value.public


def parsed_or_refused(text: str) -> None:
    """It becomes names of ours, or a refusal; there is no third way."""
    try:
        found = parse(text)
    except AuthorizationRefused:
        return
    assert {*found.id_token, *found.userinfo} <= {*SUPPORTED_CLAIMS}
    assert all(isinstance(value, str) for value in (found.subject, *found.acr_values))
    json.dumps(found.stored()).encode("ascii")


@pytest.mark.spec("OpenID Connect Core §5.5")
def test_the_example_of_the_specification() -> None:
    found = parse("""
      {
       "userinfo":
        {
         "given_name": {"essential": true},
         "nickname": null,
         "email": {"essential": true},
         "email_verified": {"essential": true},
         "picture": null,
         "http://example.info/claims/groups": null
        },
       "id_token":
        {
         "auth_time": {"essential": true},
         "acr": {"values": ["urn:mace:incommon:iap:silver"] }
        }
      }
    """)
    assert found == ClaimsRequest(id_token=(), userinfo=("given_name", "email", "email_verified"))
    assert found.stored() == {"userinfo": ["given_name", "email", "email_verified"]}
    assert found.scopes == ("profile", "email")


@pytest.mark.spec("OpenID Connect Core §5.5")
@pytest.mark.parametrize("text", ["", "{}", '{"id_token": null}', '{"userinfo": {}, "id_token": {}}', '{"x": [1e999]}'])
def test_nothing_asked_for_is_nothing(text: str) -> None:
    assert parse(text) == ClaimsRequest()
    assert parse(text).stored() == {}


@pytest.mark.spec("OpenID Connect Core §5.5, §5.5.1")
@pytest.mark.parametrize(
    "text",
    [
        "x", "[]", "null", "1", '"email"', "{", "{} {}", "\ufeff{}", "{'id_token': {}}", '{"id_token": {},}',
        '{"id_token": []}', '{"id_token": "email"}', '{"userinfo": ["email"]}', '{"userinfo": 0}',
        '{"id_token": {"email": true}}', '{"id_token": {"email": []}}', '{"id_token": {"x": "y"}}',
        '{"userinfo": {"email": {"essential": "true"}}}', '{"userinfo": {"email": {"essential": 1}}}',
        '{"userinfo": {"email": {"essential": null}}}',
        '{"id_token": {"sub": {"value": 1}}}', '{"id_token": {"sub": {"value": null}}}',
        '{"id_token": {"sub": {"value": ["a"]}}}', '{"id_token": {"sub": {"value": ""}}}',
        '{"id_token": {"acr": {"essential": true, "values": "a"}}}',
        '{"id_token": {"acr": {"essential": true, "values": [1]}}}',
        '{"id_token": {"acr": {"essential": true, "value": {}}}}',
        '{"id_token": NaN}', '{"x": Infinity}', '{"x": [-Infinity]}',
    ],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    assert refused(text) == "The parameter claims has not the form of OpenID Connect Core 5.5."


@pytest.mark.spec("RFC 8259 §4, RFC 8725 §2.4")
@pytest.mark.parametrize(
    "text",
    [
        '{"id_token": {}, "id_token": {"email": null}}',
        '{"id_token": {"email": null, "email": null}}',
        '{"id_token": {"sub": {"value": "a", "value": "b"}}}',
        '{"id_token": {}, "id\\u005ftoken": {}}',
        '{"x": {"y": {"z": 1, "z": 1}}}',
    ],
)
def test_a_member_that_stands_twice_is_refused_wherever_it_is(text: str) -> None:
    refused(text)


@pytest.mark.spec("RFC 8259 §9")
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":[', "]}]")])
def test_nesting_deeper_than_any_reader_goes_is_refused(opening: str, closing: str) -> None:
    for depth in (sys.getrecursionlimit(), 50_000):
        refused('{"x": ' + opening * depth + "1" + closing * depth + "}")
    assert parse('{"x": ' + opening * 50 + "1" + closing * 50 + "}") == ClaimsRequest()


@pytest.mark.spec("RFC 8259 §9")
def test_a_number_longer_than_any_reader_goes_is_refused() -> None:
    refused('{"x": ' + "9" * 5_000 + "}")


@pytest.mark.spec("OIDC Core §5.5 unknown-members, OIDC Core §5.5.1 unknown-members")
def test_what_is_not_known_is_passed_over() -> None:
    found = asked(
        id_token={"email": {"essential": True, "x": 1}, "groups": None, "": {}, "\ud800": None, "sub": {"x": 2}},
        userinfo={"nickname": {"value": "a", "values": 7}},
        verified_claims={"claims": {}},
    )
    assert found == ClaimsRequest(id_token=("email",))


@pytest.mark.spec("OpenID Connect Core §5.2, OpenID Connect Core §5.5.2, languages")
def test_a_claim_in_a_language_is_none_of_ours() -> None:
    assert (
        asked(id_token={"name#de": None, "email#": None}, userinfo={"family_name#ja-Kana-JP": None}) == ClaimsRequest()
    )


@pytest.mark.spec("OpenID Connect Core §5.5.1.1")
def test_only_an_essential_class_in_the_id_token_is_demanded() -> None:
    one, two = "urn:a", "urn:b"
    assert asked(id_token={"acr": {"essential": True, "values": [one, two]}}).acr_values == (one, two)
    assert asked(id_token={"acr": {"essential": True, "value": one}}).acr_values == (one,)
    for wish in (None, {}, {"essential": True}, {"values": [one]}, {"essential": False, "values": [one]}):
        assert asked(id_token={"acr": wish}).acr_values == ()
    assert asked(userinfo={"acr": {"essential": True, "values": [one]}}).acr_values == ()


@pytest.mark.spec("OpenID Connect Core §5.5.1, §3.1.2.2")
def test_the_subject_is_the_one_of_the_id_token() -> None:
    assert asked(id_token={"sub": {"value": "ana"}}).subject == "ana"
    assert asked(id_token={"sub": {"essential": True, "value": "ana"}}).subject == "ana"
    assert asked(id_token={"sub": None}, userinfo={"sub": {"value": "ana"}}).subject == ""


@pytest.mark.spec("OpenID Connect Core §5.5, house: the client's scopes are the most that it may have")
def test_claims_of_scopes_that_a_client_may_not_have_fall_away() -> None:
    found = asked(id_token={"sub": {"value": "ana"}, "email": None, "name": None}, userinfo={"phone_number": None})
    assert found.within(frozenset({"profile", "phone"})) == ClaimsRequest(("name",), ("phone_number",), "ana")
    assert found.within(frozenset()).stored() == {}
    assert found.within(frozenset()).subject == "ana"


@pytest.mark.spec("OpenID Connect Core §2, §5.5")
def test_no_claim_about_a_person_is_one_of_the_protocols() -> None:
    theirs = {*PROTOCOL_CLAIMS, "at_hash", "c_hash", "jti", "events"}
    assert not theirs & {*SUPPORTED_CLAIMS}
    assert {name for names in SCOPE_CLAIMS.values() for name in names} == {*SUPPORTED_CLAIMS}
    assert asked(id_token=dict.fromkeys(theirs)).stored() == {}


@given(st.text())
@example('"\ud800"')
@example('{"id_token":{"sub":{"value":"\\ud800"}}}')
@example('{"id_token":{"acr":{"essential":true,"values":["\\u0000"]}}}')
@example("9" * 5_000)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parsed_or_refused(text)


@given(TREES)
def test_any_json_is_parsed_or_refused(tree: Any) -> None:
    parsed_or_refused(json.dumps(tree))


@given(TREES, TREES)
def test_any_request_of_a_right_outer_form_is_parsed_or_refused(id_token: Any, userinfo: Any) -> None:
    parsed_or_refused(json.dumps({"id_token": id_token, "userinfo": userinfo}))
