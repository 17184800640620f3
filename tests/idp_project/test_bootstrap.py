"""`manage.py bootstrap`: the first realm with everything that it needs, once."""

from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from audit.models import Event
from audit.vocabulary import EventName
from keys.algorithms import Purpose
from keys.models import KeyPair, KeyRing
from realms.models import Realm
from tokens.models import Client

pytestmark = pytest.mark.django_db


def bootstrap() -> str:
    """Run it; what it said."""
    said = StringIO()
    call_command("bootstrap", stdout=said)
    return said.getvalue()


@pytest.mark.spec(
    "issue: a ring ES256 and a ring RS256 (4096 bits), each with its active key and its standby",
    "OIDC Discovery §3 rs256, OIDC Core §15.1 rs256",
)
def test_a_realm_gets_its_rings_with_an_active_key_and_a_standby_each(settings: LazySettings) -> None:
    settings.IDP_EXPIRED_TOKENS = True
    assert "RS256 4096" in bootstrap()
    realm = Realm.objects.get()
    assert (realm.slug, realm.issuer) == ("default", settings.IDP_ISSUER)
    rings = {(ring.purpose, ring.algorithm, ring.bits) for ring in KeyRing.objects.all()}
    assert rings == {
        (Purpose.SIGN, "ES256", None),
        (Purpose.SIGN, "RS256", 4096),
        (Purpose.MAC, "HMAC-SHA256", None),
        (Purpose.EXPIRED_TEST, "ES256", None),
    }
    assert all(ring.keys.count() == 2 for ring in KeyRing.objects.all())
    assert Client.objects.get().client_id == "signet-direct"
    assert Event.objects.filter(name=EventName.REALM_CREATED).count() == 1
    before = set(KeyPair.objects.values_list("kid", flat=True))
    assert bootstrap() == ""
    assert set(KeyPair.objects.values_list("kid", flat=True)) == before


@pytest.mark.spec("keys.md: an issuer never changes once made")
def test_another_issuer_is_refused_in_one_sentence(settings: LazySettings, realm: Realm) -> None:
    settings.IDP_ISSUER = "https://elsewhere.example.test"
    with pytest.raises(CommandError, match=r"can't move to https://elsewhere\.example\.test"):
        bootstrap()
    assert not KeyPair.objects.exists()
