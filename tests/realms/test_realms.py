"""realms/: an issuer, made once, that never moves."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, transaction

from realms.errors import IssuerMoved, TermsRefused
from realms.models import Realm
from realms.selectors import all_realms, default_realm, realm_by_slug, terms_of
from realms.services import change_realm, check_issuer, ensure_default_realm, ensure_realm
from realms.terms import Terms
from realms.vocabulary import Registration
from tests.keys.sql import execute, refused


def make(now: datetime, **columns: Any) -> Realm:
    given = {"slug": "b", "name": "B", "issuer": "https://b.example.test", "created_at": now, **columns}
    return Realm.objects.create(**given)


@pytest.mark.spec("keys.md Rows: the default realm's issuer is the site itself")
def test_the_default_realm_is_made_once(db: None, now: datetime, settings: LazySettings) -> None:
    assert default_realm() is None
    realm, made = ensure_default_realm(issuer=settings.IDP_ISSUER, now=now)
    assert (realm.slug, realm.issuer, made) == ("default", "https://id.example.test", True)
    assert ensure_default_realm(issuer=settings.IDP_ISSUER, now=now) == (realm, False)
    assert default_realm() == realm
    assert str(realm) == "default"


@pytest.mark.spec("keys.md Rows: started with another base address or port, the server refuses with one sentence")
@pytest.mark.parametrize(
    "other", ["https://id.example.test:8443", "http://id.example.test", "https://id.example.test/"]
)
def test_another_base_address_is_refused_with_one_sentence(realm: Realm, now: datetime, other: str) -> None:
    for ask in (lambda: check_issuer(realm, configured=other), lambda: ensure_default_realm(issuer=other, now=now)):
        with pytest.raises(IssuerMoved) as caught:
            ask()
        assert realm.issuer in str(caught.value)
        assert other in str(caught.value)
        assert str(caught.value).count(". ") == 0
    check_issuer(realm, configured=realm.issuer)


@pytest.mark.spec("keys.md Rows: an issuer never changes once made")
@pytest.mark.parametrize("column", ["issuer", "slug"])
def test_an_issuer_never_changes(realm: Realm, column: str) -> None:
    with pytest.raises(DatabaseError, match="never change"), transaction.atomic():
        execute(f"UPDATE realms_realm SET {column} = {column} || 'x'")  # noqa: S608
    Realm.objects.filter(pk=realm.pk).update(name="Another name", enabled=False)
    realm.refresh_from_db()
    assert realm.name == "Another name"


@pytest.mark.spec("OpenID Connect Core §8.1: a salt that is kept secret, and never changes")
def test_every_realm_has_a_salt_of_its_own_that_never_changes(realm: Realm, now: datetime) -> None:
    other = make(now)
    salts = {bytes(salt) for salt in Realm.objects.values_list("pairwise_salt", flat=True)}
    assert [len(salt) for salt in salts] == [32, 32]
    for change in ("'\\x00'", "''", "sha256(pairwise_salt)"):
        with pytest.raises(DatabaseError, match="the salt of a realm never changes"), transaction.atomic():
            execute(f"UPDATE realms_realm SET pairwise_salt = {change}")  # noqa: S608
    with pytest.raises(DatabaseError), transaction.atomic():
        execute("UPDATE realms_realm SET pairwise_salt = NULL")
    Realm.objects.update(name="Another name")
    other.refresh_from_db()
    assert bytes(other.pairwise_salt) in salts
    assert other.name == "Another name"


@pytest.mark.spec("keys.md Rows: Realm")
def test_an_issuer_and_a_slug_belong_to_one_realm(realm: Realm, now: datetime) -> None:
    with refused("issuer"):
        make(now, issuer=realm.issuer)
    with refused("slug"):
        make(now, slug="default")


@pytest.mark.spec("keys.md Rows: another realm lives under /realms/<slug>")
@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a/b", "a.b", "ä", "a b", "a\n", "a" * 64])
def test_a_slug_is_a_part_of_a_path(db: None, now: datetime, slug: str) -> None:
    with refused():
        make(now, slug=slug)


@pytest.mark.spec("keys.md Rows: another realm lives under /realms/<slug>")
@pytest.mark.parametrize("slug", ["a", "7", "a-b", "a--b", "a" * 63])
def test_slugs_that_fit(db: None, now: datetime, slug: str) -> None:
    assert realm_by_slug(make(now, slug=slug).slug) is not None
    assert realm_by_slug(slug.upper() + "x") is None


@pytest.mark.spec("product.md: short access tokens (≤ 15 min)")
@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"access_token_lifetime": timedelta(0)}, "realm_access_token_at_most_15_minutes"),
        ({"access_token_lifetime": timedelta(minutes=15, microseconds=1)}, "realm_access_token_at_most_15_minutes"),
        ({"refresh_idle_lifetime": timedelta(0)}, "realm_refresh_idle_within_absolute"),
        ({"refresh_idle_lifetime": timedelta(days=31)}, "realm_refresh_idle_within_absolute"),
    ],
)
def test_the_bounds_of_what_a_realm_grants(
    db: None, now: datetime, columns: dict[str, timedelta], constraint: str
) -> None:
    with refused(constraint):
        make(now, **columns)


@pytest.mark.spec("Initiating User Registration via OpenID Connect §4.1")
def test_a_realm_lets_nobody_register_unless_it_says_so(realm: Realm, now: datetime) -> None:
    assert Realm.objects.get().registration == Registration.CLOSED
    execute("UPDATE realms_realm SET registration = DEFAULT")
    assert Realm.objects.get().registration == Registration.CLOSED
    with refused("realm_registration_is_known"):
        make(now, registration="anybody")


@pytest.mark.spec("keys.md Rows: Realm")
def test_all_realms_come_by_slug(realm: Realm, now: datetime) -> None:
    make(now)
    assert [one.slug for one in all_realms()] == ["b", "default"]


@pytest.mark.spec("keys.md Rows: another realm lives under /realms/<slug>")
def test_a_further_realm_lives_below_the_site_and_is_made_once(db: None, now: datetime) -> None:
    terms = Terms(name="Shop", registration=Registration.OPEN, access_token_lifetime=timedelta(minutes=5))
    realm, made = ensure_realm(slug="shop", base="https://id.example.test", terms=terms, now=now)
    assert (realm.issuer, made, terms_of(realm)) == ("https://id.example.test/realms/shop", True, terms)
    other = Terms(name="Other")
    assert ensure_realm(slug="shop", base="https://id.example.test", terms=other, now=now) == (realm, False)
    assert terms_of(change_realm(realm, terms=other)) == other
    realm.refresh_from_db()
    assert (realm.name, realm.registration) == ("Other", Registration.CLOSED)


@pytest.mark.spec("realms/terms.py: the bounds that the database holds too")
@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"name": "a\nb"}, "name: A name has 1 to 200"),
        ({"access_token_lifetime": timedelta(0)}, "access_token_lifetime: It must be above nought"),
        ({"access_token_lifetime": timedelta(minutes=15, microseconds=1)}, "15 minutes at most"),
        ({"refresh_absolute_lifetime": timedelta(days=3651)}, "the longest is ten years"),
        ({"refresh_idle_lifetime": timedelta(days=31)}, "refresh_idle_lifetime: It can't be longer"),
    ],
)
def test_terms_that_no_realm_can_have_are_refused(realm: Realm, now: datetime, other: dict[str, Any], why: str) -> None:
    terms = Terms(**{"name": "x", **other})
    with pytest.raises(TermsRefused, match=why):
        ensure_realm(slug="x", base="https://id.example.test", terms=terms, now=now)
    with pytest.raises(TermsRefused, match=why):
        change_realm(realm, terms=terms)
    assert Realm.objects.get().name == "Signet"
