"""The difference between what there is and what there shall be."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp_project.configuration.desired import Defaults, desired_things
from idp_project.configuration.difference import Change, difference, in_words, overlaid
from idp_project.configuration.document import Kind, Place, Things
from idp_project.configuration.schema import SCHEMA, metadata_in
from keys.algorithms import Purpose
from keys.policy import KeyPolicy
from realms.vocabulary import Registration
from tokens.vocabulary import GrantType, ResponseType, SubjectType

pytestmark = pytest.mark.spec("issue 3 of 6: idempotent")

DAY = timedelta(days=1)
POLICY = KeyPolicy(90 * DAY, 14 * DAY, 7 * DAY, timedelta(seconds=30), DAY)
DEFAULTS = Defaults(
    "https://id.example.test", dict.fromkeys(Purpose, POLICY), ("sign ES256", "mac HMAC-SHA256", "sign RS256 4096")
)
SPANS = st.timedeltas(min_value=timedelta(0), max_value=3650 * DAY)
REALM = {
    "name": st.text("aé\n\u202e", max_size=3),
    "enabled": st.booleans(),
    "registration": st.sampled_from(Registration),
    "access_token_lifetime": SPANS,
    "direct_sign_in": st.booleans(),
}
RING = {"rotation_period": SPANS, "max_token_lifetime": SPANS}
CLIENT = {
    "client_name": st.text("aé\n\u202e", max_size=3),
    "enabled": st.booleans(),
    "scope": st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
    "grant_types": st.lists(st.sampled_from(GrantType), max_size=2).map(tuple),
    "response_types": st.lists(st.sampled_from(ResponseType), max_size=2).map(tuple),
    "subject_type": st.sampled_from(SubjectType),
    "sector_identifier": st.sampled_from(["", "a.test"]),
    "redirect_uris": st.lists(st.sampled_from(["https://a.test/", "https://b.test/"]), max_size=2).map(tuple),
    "access_token_lifetime": st.none() | SPANS,
    "jwks": st.none() | st.just({"keys": []}),
}


def some(members: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict(members))


@st.composite
def documents(draw: st.DrawFn) -> Things:
    """What documents say: of a few realms, rings and clients, some members."""
    things: dict[Place, Mapping[str, Any]] = {}
    for slug in draw(st.sets(st.sampled_from(["a", "b"]))):
        things[Place(slug)] = draw(some(REALM))
        for name in draw(st.sets(st.sampled_from(["sign ES256", "sign RS256 2048", "sign ES384"]))):
            things[Place(slug, Kind.RING, name)] = draw(some(RING))
        for name in draw(st.sets(st.sampled_from(["x", "y"]))):
            things[Place(slug, Kind.CLIENT, name)] = draw(some(CLIENT))
    return things


def applied(present: Things, changes: tuple[Change, ...]) -> Things:
    """As the services do it: a new thing, or other members of one that is there."""
    found = dict(present)
    for change in changes:
        assert change.makes is (change.place not in found)
        found[change.place] = {**found.get(change.place, {}), **change.after}
    return found


@given(documents(), documents(), documents())
def test_what_was_applied_once_differs_in_nothing_any_more(first: Things, second: Things, third: Things) -> None:
    present: Things = {}
    for wanted in (first, second, third):
        desired = desired_things(present, wanted, DEFAULTS)
        changes = difference(present, desired)
        assert list(in_words(changes, SCHEMA)) == [line for line in in_words(changes, SCHEMA) if line.isprintable()]
        present = applied(present, changes)
        assert present == desired
        assert difference(present, desired_things(present, wanted, DEFAULTS)) == ()
        assert difference(present, present) == ()


@given(documents(), documents())
def test_what_is_not_named_stays(first: Things, second: Things) -> None:
    present = desired_things({}, first, DEFAULTS)
    desired = desired_things(present, second, DEFAULTS)
    for place, members in present.items():
        left = {name for name in members if name not in second.get(place, {})}
        if place.kind is Kind.CLIENT and place in second:
            left -= {"response_types", "sector_identifier"}  # they follow from the others where nothing is said
        assert {name: desired[place][name] for name in left} == {name: members[name] for name in left}
    assert overlaid(present, {}) == present


@given(documents())
def test_a_thing_comes_after_what_it_needs(wanted: Things) -> None:
    places = [change.place for change in difference({}, desired_things({}, wanted, DEFAULTS))]
    for slug in {place.realm for place in places}:
        kinds = [place.kind for place in places if place.realm == slug]
        assert kinds == sorted(kinds)
        rings = {place.name.split(" ")[1] for place in places if place.realm == slug and place.kind is Kind.RING}
        assert rings >= {"ES256", "HMAC-SHA256", "RS256"}


def test_a_new_realm_needs_one_ring_of_an_algorithm() -> None:
    desired = desired_things({}, {Place("a"): {}, Place("a", Kind.RING, "sign RS256 2048"): {}}, DEFAULTS)
    names = {place.name for place in desired if place.kind is Kind.RING}
    assert names == {"sign RS256 2048", "sign ES256", "mac HMAC-SHA256"}


def test_a_realm_that_is_there_gets_no_further_rings() -> None:
    present = {Place("a"): desired_things({}, {Place("a"): {}}, DEFAULTS)[Place("a")]}
    assert desired_things(present, {Place("a"): {}}, DEFAULTS) == present


def test_what_follows_from_the_rest_is_completed() -> None:
    place = Place("a", Kind.CLIENT, "x")
    given_ = {"grant_types": (GrantType.AUTHORIZATION_CODE,), "redirect_uris": ("https://a.test/",)}
    wanted = {Place("a"): {}, place: {**given_, "subject_type": SubjectType.PAIRWISE}}
    metadata = metadata_in(desired_things({}, wanted, DEFAULTS)[place])
    assert (metadata.response_types, metadata.sector_identifier) == ((ResponseType.CODE,), "a.test")


def test_a_change_is_told_in_one_line_whatever_stands_in_it() -> None:
    place = Place("a", Kind.CLIENT, "x")
    change = Change(place, {"client_name": "a\nb", "jwks": None}, {"client_name": "\u202e", "jwks": {"keys": []}})
    assert list(in_words((change,), SCHEMA)) == [
        r'realms/a/clients/x/client_name: "a\nb" → "\u202e"',
        'realms/a/clients/x/jwks: null → {"keys": []}',
    ]
