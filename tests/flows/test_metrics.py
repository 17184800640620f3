"""`/metrics`: for whoever has the token, right under several workers, bounded, and without secrets."""

import re
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from keys.models import KeyPair, KeyRing
from realms.models import Realm
from tests.flows.test_service import database_away
from tests.provider import Browser, make_realm

pytestmark = pytest.mark.spec("issue 5: an overdue step shows in the metrics as days left")
TOKEN = "a token of forty random characters or so"


@pytest.fixture
def open_to_the_token(settings: LazySettings) -> None:
    settings.IDP_METRICS_TOKEN = TOKEN


def scrape(browser: Browser) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values."""
    answer = browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert answer["Cache-Control"] == "no-store"
    families = text_string_to_metric_families(answer.content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


WRONG = (
    "",
    "Bearer",
    "Bearer ",
    f"Basic {TOKEN}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    TOKEN,
    f"Bearer  {TOKEN}",
)


@pytest.mark.parametrize("shown", [*WRONG, "Bearer \xff"])
@pytest.mark.usefixtures("open_to_the_token")
def test_without_the_token_the_address_is_not_there(
    shown: str, browser: Browser, realm: Realm, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        answer = browser.get("/metrics", headers={"authorization": shown})
    assert answer.status_code == 404
    assert b"signet_" not in answer.content


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer", "bearer"])
def test_where_no_token_is_configured_nobody_reads(shown: str, browser: Browser, realm: Realm) -> None:
    assert browser.get("/metrics", headers={"authorization": shown}).status_code == 404


def test_keys_ages_and_days_left_are_told_ring_by_ring(browser: Browser, realm: Realm, open_to_the_token: None) -> None:
    now = timezone.now()
    found = scrape(browser)
    ring = ("default", "sign ES256")
    assert found[("signet_keys", *ring, "active")] == found[("signet_keys", *ring, "pre_active")] == 1
    assert found[("signet_keys", *ring, "compromised")] == 0
    assert 0 <= found[("signet_key_age_seconds", *ring)] < 60
    assert 89.99 < found[("signet_key_days_left", *ring)] <= 90
    assert found[("signet_key_days_overdue", *ring)] == 0
    KeyRing.objects.filter(algorithm="ES256").update(looked_after_at=now - timedelta(days=5))
    found = scrape(browser)
    assert 5 <= found[("signet_key_days_overdue", *ring)] < 5.01
    assert 5 * 86_400 <= found[("signet_key_looked_after_seconds", *ring)] < 5 * 86_400 + 60
    assert found[("signet_key_days_overdue", "default", "mac HMAC-SHA256")] == 0


def test_every_ring_costs_the_same_two_queries_and_no_kid_is_a_label(
    browser: Browser, realm: Realm, open_to_the_token: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_realm("other")
    with django_assert_num_queries(2):
        found = scrape(browser)
    assert {name[1] for name in found} == {"default", "other"}
    text = " ".join(part for name in found for part in name)
    assert not [kid for kid in KeyPair.objects.values_list("kid", flat=True) if kid in text]
    assert not re.search(r"[A-Za-z0-9_-]{30,}", text.replace("signet_key_looked_after_seconds", ""))


def test_without_the_database_it_is_an_outage(browser: Browser, realm: Realm, open_to_the_token: None) -> None:
    with database_away():
        assert browser.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 503
