"""System checks: settings and rings that would break the invariant are refused before the server starts."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  (Django's)
from django.db.utils import OperationalError, ProgrammingError
from django.utils import timezone

from keys.conf import default_policy, master_secrets, periods
from keys.dead_keys_file import configured, dead_keys
from keys.errors import DeadKeysUnreadable, MalformedSecrets
from keys.overview import what_is_overdue
from keys.policy import MAX_SIGNER_TTL, faults
from keys.selectors import policy_of, rings
from keys.services.restore_marks import restored

OVERDUE = "keys.E008"  # a reason to look, and none to stay down


@register(Tags.security)
def master_secrets_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.E001: the master secrets are there and are random."""
    try:
        master_secrets()
    except MalformedSecrets as error:
        return [Error(str(error), id="keys.E001")]
    return []


@register(Tags.security, deploy=True)  # not for commands: rotate_keys makes the file
def dead_keys_can_be_read(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.E006: the file of dead keys is there, since without it workers trust no key."""
    try:
        dead_keys()
    except DeadKeysUnreadable as error:
        return [Error(str(error), id="keys.E006")]
    return []


@register(Tags.security, deploy=True)
def dead_keys_are_remembered(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.W001: dead keys are remembered outside the database, so that no restored dump revives one."""
    if configured() is not None:
        return []
    return [
        Warning(
            "IDP_DEAD_KEYS_FILE is not set, so a database dump that is restored revives keys that were declared "
            "compromised after it: name a file that lives and is backed up apart from the database.",
            id="keys.W001",
        )
    ]


@register()
def default_policy_keeps_the_invariant(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.E002: rings made from the settings never break a verification."""
    return [
        Error(fault, hint="See the IDP_KEY_… settings in docs/configuration.md.", id="keys.E002")
        for fault in faults(default_policy(), periods())
    ]


@register()
def periods_are_sound(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.E003 and keys.E004: a worker forgets a key in time, and the JWKS can be cached."""
    around, found = periods(), list[CheckMessage]()
    if not timedelta(0) < around.signer_ttl <= MAX_SIGNER_TTL:
        found.append(
            Error(
                f"IDP_SIGNER_TTL is {around.signer_ttl}: a worker would go on signing with a compromised key. "
                f"Set it above nought and to {MAX_SIGNER_TTL.seconds} seconds at most (PT5S).",
                id="keys.E003",
            )
        )
    if around.jwks_max_age < timedelta(seconds=1) or around.jwks_outage < timedelta(0):
        found.append(
            Error(
                "IDP_JWKS_MAX_AGE must be a second at least (PT5M is usual), and IDP_JWKS_OUTAGE not negative.",
                id="keys.E004",
            )
        )
    return found


@register(Tags.database, deploy=True)
def no_restore_went_unnoticed(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """keys.E007: the database didn't go back in time, or the epoch was raised since."""
    if not databases:
        return []
    try:
        sentence = restored()
    except DeadKeysUnreadable as error:
        sentence = str(error)
    except (OperationalError, ProgrammingError):
        return []  # away or not migrated yet
    return [Error(sentence, id="keys.E007")] if sentence else []


@register(Tags.database)
def rings_keep_the_invariant(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """keys.E005: no ring in the database has a policy that the present settings break."""
    if not databases:
        return []
    try:
        stored = list(rings())
    except (OperationalError, ProgrammingError):
        return []  # away or not migrated yet: the server's start says so itself
    return [
        Error(
            f"Ring {ring.realm.slug} {ring}: {fault}",
            hint="Change the ring's policy in the admin, or the setting that it conflicts with.",
            id="keys.E005",
        )
        for ring in stored
        for fault in faults(policy_of(ring), periods())
    ]


@register(Tags.security, deploy=True)
def no_step_is_overdue(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """keys.E008: rotate_keys does its work. Asked with `--deploy` alone; `serve` says it and starts all the same."""
    try:
        late = what_is_overdue(timezone.now())
    except (OperationalError, ProgrammingError):
        return []  # away or not migrated yet: the server's start says so itself
    return [
        Error(
            f"Ring {ring.realm.slug} {ring}: {' '.join(due.sentence() for due in steps)}",
            hint="Run manage.py rotate_keys, and see that it is run hourly.",
            id="keys.E008",
        )
        for ring, steps in late.items()
    ]
