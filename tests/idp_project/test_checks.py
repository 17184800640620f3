"""Settings and rows that are refused before the server starts."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks
from django.db import OperationalError, connection

from idp_project import checks
from keys.models import KeyRing
from realms.models import Realm
from tests.provider import make_realm


def ids(found: Any) -> list[str]:
    for message in found:
        assert str(message.msg).endswith(".") or ":" in message.msg
    return [message.id for message in found]


@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example.org",
        "https://id.example.org:8443",
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://[::1]:1",
    ],
)
@pytest.mark.spec("OpenID Connect Discovery §3")
def test_a_sound_issuer_passes(issuer: str, settings: LazySettings) -> None:
    settings.IDP_ISSUER = issuer
    assert ids(checks.issuer_is_sound(None)) == []


@pytest.mark.parametrize(
    ("issuer", "found"),
    [
        ("http://id.example.org", ["signet.E001"]),
        ("http://localhost.example.org", ["signet.E001"]),
        ("ftp://id.example.org", ["signet.E001"]),
        ("id.example.org", ["signet.E001", "signet.E002"]),
        ("https://", ["signet.E002"]),
        ("https://id.example.org?x=1", ["signet.E002"]),
        ("https://id.example.org#x", ["signet.E002"]),
        ("https://id.example.org/tenant", ["signet.E002"]),
        ("https://user:secret@id.example.org", ["signet.E002"]),
        ("HTTPS://id.example.org", ["signet.E002"]),
        ("https://id.example.org ", ["signet.E002"]),
        ("https://id.example.org:port", ["signet.E002"]),
        ("https://[::1", ["signet.E002"]),
        ("https://" + "x" * 100 + ".org", ["signet.E002"]),
    ],
)
@pytest.mark.spec("RFC 8414 §2 issuer, RFC 9207 §2 https, OIDC Discovery §3 issuer, OIDC Core §2 iss")
def test_an_issuer_that_verifiers_could_read_differently_is_refused(
    issuer: str, found: Any, settings: LazySettings
) -> None:
    settings.IDP_ISSUER = issuer
    assert ids(checks.issuer_is_sound(None)) == found


@pytest.mark.parametrize("key", ["short", "a" * 60, "ab" * 30])
def test_a_weak_secret_key_is_refused_and_not_repeated(key: str, settings: LazySettings) -> None:
    settings.SECRET_KEY = key
    found = checks.secret_key_is_long(None)
    assert ids(found) == ["signet.E003"]
    assert key not in found[0].msg


@pytest.mark.parametrize("proxy", ["*", "proxy.internal", "10.0.0.1/8", "0.0.0.0/0", "::/0", ""])
def test_a_proxy_that_is_no_bounded_network_is_refused(proxy: str, settings: LazySettings) -> None:
    settings.IDP_TRUSTED_PROXIES = ["10.0.0.0/8", proxy, "192.0.2.1"]
    assert ids(checks.proxies_are_networks(None)) == ["signet.E004"]


@pytest.mark.parametrize(
    ("epoch", "found"), [(-1, ["signet.E005"]), (2**32, ["signet.E005"]), (0, []), (2**32 - 1, [])]
)
def test_the_epoch_has_to_fit_into_a_handle(epoch: int, found: Any, settings: LazySettings) -> None:
    settings.IDP_HANDLE_EPOCH = epoch
    assert ids(checks.numbers_are_in_range(None)) == found


@pytest.mark.parametrize(("hashes", "found"), [(0, ["signet.E006"]), (65, ["signet.E006"]), (1, []), (64, [])])
def test_some_passwords_can_be_hashed_at_once_and_not_too_many(hashes: int, found: Any, settings: LazySettings) -> None:
    settings.IDP_PASSWORD_HASHES_IN_FLIGHT = hashes
    assert ids(checks.numbers_are_in_range(None)) == found


@pytest.mark.spec("design: keys.md, the invariant (b)")
def test_no_realm_promises_more_than_its_keys_may_vouch_for(db: None) -> None:
    realm = make_realm()
    assert ids(checks.lifetimes_fit_the_keys(None, databases=["default"])) == []
    KeyRing.objects.filter(purpose="sign").update(max_token_lifetime=timedelta(minutes=5))
    KeyRing.objects.filter(purpose="mac").update(max_token_lifetime=timedelta(days=7))
    found = checks.lifetimes_fit_the_keys(None, databases=["default"])
    assert sorted(ids(found)) == ["signet.E007", "signet.E008"]
    Realm.objects.filter(pk=realm.pk).update(
        access_token_lifetime=timedelta(minutes=5), refresh_absolute_lifetime=timedelta(days=7)
    )
    assert ids(checks.lifetimes_fit_the_keys(None, databases=["default"])) == []


def test_without_a_database_the_rows_are_not_asked(db: None) -> None:
    def fail(*_args: object) -> None:
        raise OperationalError("away")

    with connection.execute_wrapper(fail):
        assert checks.lifetimes_fit_the_keys(None) == []
        assert checks.lifetimes_fit_the_keys(None, databases=["default"]) == []


def test_the_checks_are_registered(settings: LazySettings) -> None:
    settings.IDP_HANDLE_EPOCH = -1
    settings.IDP_ISSUER = "http://id.example.org"
    found = {message.id for message in run_checks()}
    assert {"signet.E001", "signet.E005"} <= found
