"""Standard claims, by scope and by name."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from accounts.claims import SCOPE_CLAIMS, SUPPORTED_CLAIMS, PersonFacts, standard_claims
from accounts.models import User
from accounts.selectors import person_facts

UPDATED = datetime(2026, 1, 15, 12, 0, 0, 999_999, tzinfo=UTC)
NOBODY = PersonFacts(username="ana", updated_at=UPDATED)
ANA = PersonFacts(
    username="ana",
    updated_at=UPDATED,
    name="Ana Sousa",
    given_name="Ana",
    family_name="Sousa",
    locale="pt-PT",
    zoneinfo="Europe/Lisbon",
    email="ana@example.org",
    email_verified=True,
    phone_number="+351211234567",
    phone_number_verified=True,
    address="Rua Um 1\n1000-001 Lisboa",
)
EVERYTHING = frozenset(SUPPORTED_CLAIMS)
NONE: frozenset[str] = frozenset()


def claims(person: PersonFacts, scopes: frozenset[str] = NONE, requested: frozenset[str] = NONE) -> dict[str, object]:
    return standard_claims(person, scopes=scopes, requested=requested)


@pytest.mark.spec("OIDC Core §5.4")
@pytest.mark.parametrize("scope", SCOPE_CLAIMS)
def test_a_scope_brings_its_claims_and_no_others(scope: str) -> None:
    assert set(claims(ANA, frozenset({scope}))) == set(SCOPE_CLAIMS[scope])


@pytest.mark.spec(
    "OIDC Core §5.1 address, OIDC Core §5.1 updated-at, OIDC Core §5.1 verified, OIDC Core §5.6 normal-claims",
)
def test_every_claim_in_its_form() -> None:
    assert claims(ANA, requested=EVERYTHING) == {
        "name": "Ana Sousa",
        "given_name": "Ana",
        "family_name": "Sousa",
        "preferred_username": "ana",
        "locale": "pt-PT",
        "zoneinfo": "Europe/Lisbon",
        "updated_at": int(UPDATED.timestamp()),
        "email": "ana@example.org",
        "email_verified": True,
        "phone_number": "+351211234567",
        "phone_number_verified": True,
        "address": {"formatted": "Rua Um 1\n1000-001 Lisboa"},
    }


@pytest.mark.spec("OIDC Core §5.3.2")
def test_what_is_not_known_is_left_out_and_never_null() -> None:
    assert claims(NOBODY, requested=EVERYTHING) == {
        "preferred_username": "ana",
        "updated_at": int(UPDATED.timestamp()),
    }


def test_nothing_is_said_about_an_address_or_a_number_that_is_not_there() -> None:
    claimed = claims(replace(ANA, email="", phone_number=""), requested=EVERYTHING)
    assert not {"email", "email_verified", "phone_number", "phone_number_verified"} & set(claimed)


def test_what_nobody_verified_is_said_to_be_so() -> None:
    claimed = claims(replace(ANA, email_verified=False, phone_number_verified=False), requested=EVERYTHING)
    assert (claimed["email_verified"], claimed["phone_number_verified"]) == (False, False)


@pytest.mark.spec("OIDC Core §5.5")
def test_a_claim_asked_for_by_name_is_added_to_those_of_the_scopes() -> None:
    claimed = claims(ANA, frozenset({"email"}), frozenset({"locale"}))
    assert set(claimed) == {"email", "email_verified", "locale"}


@pytest.mark.spec("OIDC Core §5.5.1, OIDC Core §5.6.2 foreign-claims")
def test_unknown_scopes_and_claims_add_nothing() -> None:
    unknown = frozenset({"openid", "sub", "password", "is_superuser", "name#ja-Kana-JP", "", "\0", "__class__"})
    assert claims(ANA, unknown, unknown) == {}


@pytest.mark.spec("OIDC Discovery §3")
def test_what_is_listed_can_be_had_and_what_can_be_had_is_listed() -> None:
    by_scope = [claim for scope in SCOPE_CLAIMS.values() for claim in scope]
    assert sorted(by_scope) == sorted(SUPPORTED_CLAIMS)
    assert set(claims(ANA, requested=EVERYTHING)) == EVERYTHING


def test_every_fact_is_read_from_the_row(now: datetime) -> None:
    columns = {field.name: getattr(ANA, field.name) for field in fields(ANA)}
    assert person_facts(User(**columns, created_at=now)) == ANA


def test_a_person_who_never_changed_is_as_old_as_their_row(now: datetime) -> None:
    assert person_facts(User(username="ana", created_at=now)) == PersonFacts(username="ana", updated_at=now)
