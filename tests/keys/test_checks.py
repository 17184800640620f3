"""keys/checks.py: settings that break the invariant are refused before the server starts."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import LazySettings
from django.core.checks import run_checks
from django.db import connection

from keys import checks
from keys.models import KeyRing
from realms.models import Realm
from tests.keys.memories import database_away

DAY = timedelta(days=1)


def said(*, databases: list[str] | None = None) -> list[tuple[str | None, str]]:
    """The ids and sentences of keys that `manage.py check` says."""
    found = run_checks(databases=databases)
    return [(message.id, str(message.msg)) for message in found if (message.id or "").startswith("keys.")]


@pytest.mark.spec("issue 2: system checks")
def test_the_settings_of_the_design_are_sound() -> None:
    assert said() == []


@pytest.mark.spec("house.md: checks have ids and say what to change")
@pytest.mark.parametrize(
    ("changed", "check", "named"),
    [
        ({"IDP_MASTER_SECRETS": "k1:c2hvcnQ="}, "keys.E001", "openssl rand"),
        ({"IDP_MASTER_SECRETS": ""}, "keys.E001", "IDP_MASTER_SECRETS"),
        ({"IDP_KEY_PROPAGATION": timedelta(minutes=5)}, "keys.E002", "propagation"),
        ({"IDP_KEY_ROTATION_PERIOD": timedelta(hours=47)}, "keys.E002", "rotation period"),
        ({"IDP_KEY_MAX_TOKEN_LIFETIME": timedelta(0)}, "keys.E002", "token lifetime"),
        ({"IDP_KEY_CLOCK_SKEW": timedelta(0)}, "keys.E002", "skew"),
        ({"IDP_KEY_VERIFIER_LEEWAY": timedelta(-1)}, "keys.E002", "leeway"),
        ({"IDP_JWKS_OUTAGE": 3 * DAY}, "keys.E002", "propagation"),
        ({"IDP_JWKS_MAX_AGE": 3 * DAY}, "keys.E002", "propagation"),
        ({"IDP_SIGNER_TTL": timedelta(seconds=6)}, "keys.E003", "PT5S"),
        ({"IDP_SIGNER_TTL": timedelta(0)}, "keys.E003", "PT5S"),
        ({"IDP_JWKS_MAX_AGE": timedelta(0)}, "keys.E004", "IDP_JWKS_MAX_AGE"),
        ({"IDP_JWKS_OUTAGE": timedelta(-1)}, "keys.E004", "IDP_JWKS_OUTAGE"),
    ],
)
def test_a_setting_that_breaks_the_invariant_is_named(
    settings: LazySettings, changed: dict[str, Any], check: str, named: str
) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    ((found, sentence),) = said()
    assert found == check
    assert named in sentence
    assert "c2hvcnQ" not in sentence


@pytest.mark.spec("keys.md The invariant: settings that break the invariant are refused by a system check")
def test_a_ring_that_the_settings_have_outgrown_is_named(es256_ring: KeyRing, settings: LazySettings) -> None:
    assert said(databases=["default"]) == []
    settings.IDP_JWKS_OUTAGE = 3 * DAY
    settings.IDP_KEY_PROPAGATION = 4 * DAY
    ((found, sentence),) = said(databases=["default"])
    assert found == "keys.E005"
    assert sentence.startswith("Ring default sign ES256: The propagation of 2 days")
    assert said() == [], "the database is asked only with --database"


@pytest.mark.spec("house.md: checks run before the server starts")
def test_a_database_that_is_away_or_empty_is_no_weak_ring(db: None) -> None:
    with database_away():
        assert checks.rings_keep_the_invariant(None, databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE keys_keyring RENAME TO keys_keyring_elsewhere")
    assert checks.rings_keep_the_invariant(None, databases=["default"]) == []


@pytest.mark.spec("issue 5: an overdue step turns check --deploy into an error")
def test_an_overdue_step_is_an_error_of_a_deployment(bootstrapped: Realm, now: datetime) -> None:
    with time_machine.travel(now + timedelta(hours=24), tick=False):
        assert checks.no_step_is_overdue(None) == []
    with time_machine.travel(now + timedelta(hours=25), tick=False):
        found = checks.no_step_is_overdue(None)
        deployed = {message.id for message in run_checks(include_deployment_checks=True)}
    assert {message.id for message in found} == {"keys.E008"}
    assert found[0].msg.startswith("Ring default expired_test ES256: rotate_keys has not looked after this ring since")
    assert "keys.E008" in deployed
    assert said() == [], "only with --deploy"


@pytest.mark.spec("issue 5: an overdue step turns check --deploy into an error")
def test_a_database_that_is_away_is_nothing_overdue(db: None) -> None:
    with database_away():
        assert checks.no_step_is_overdue(None) == []
