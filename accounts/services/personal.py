"""Personal fields of security events, sealed under a key of the person that goes with them.

The audit is append-only and outlives people; what it says of where they were does not.
"""

import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from django.db import connection

from accounts import personal_fields
from accounts.models import PersonalKey, User
from accounts.whereabouts import Whereabouts
from audit.hooks import SEALED
from audit.models import Event
from audit.services import Details, record
from audit.vocabulary import EventName
from keys import api
from keys.errors import KeysError, SealBroken

logger = logging.getLogger("signet.accounts")

PERSONAL_KEY = api.SealedColumn("accounts.PersonalKey", "secret", "personal-key")
_NOBODY = "0"  # no person has this primary key
# The lock on the person's row keeps them from being deleted until the caller's transaction ends: no key outlives them.
_MAKE = """
    INSERT INTO accounts_personalkey (user_id, secret, created_at)
    SELECT id, %(secret)s, %(now)s FROM accounts_user WHERE id = %(user)s FOR KEY SHARE
    ON CONFLICT (user_id) DO NOTHING
    RETURNING secret
"""


def make_personal_key(person: User, *, now: datetime) -> bytes | None:
    """Make a person's key unless they have one; of several at once, one is made.

    Arguments:
        now: aware time.

    Returns:
        The key that they have now, sealed; None where the person is gone.
    """
    secret = api.seal(secrets.token_bytes(personal_fields.KEY_BYTES), column=PERSONAL_KEY, row=str(person.pk))
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, {"secret": secret, "now": now, "user": person.pk})
        made = cursor.fetchone()
    return bytes(made[0]) if made else sealed_key_of(person)


def personal_key(person: User, *, now: datetime) -> bytes | None:
    """A person's key, sealed, for `record_about`; made if they have none. None where the person is gone.

    Arguments:
        now: aware time.
    """
    return sealed_key_of(person) or make_personal_key(person, now=now)


def sealed_key_of(person: User) -> bytes | None:
    """A person's key, sealed; None where they have none."""
    found = PersonalKey.objects.filter(user=person).values_list("secret", flat=True).first()
    return None if found is None else bytes(found)


def sealed_details(
    person: User,
    whereabouts: Whereabouts,
    *,
    name: EventName,
    realm: str,
    target: str,
    now: datetime,
    sealed_key: bytes | None,
) -> dict[str, str]:
    """What an event's details keep of where a person was: `{"sealed": …}`, or nothing.

    A key that can't be opened stands in nobody's way: the event is written without, and the log says so.

    Arguments:
        person: the event's actor or target.
        whereabouts: where they were.
        name, realm, target, now: as the event is recorded with; the seal is bound to them.
        sealed_key: the person's, from `make_personal_key` or a query that had to be made anyway; None for none.
    """
    fields = whereabouts.fields()
    if sealed_key is None or not fields:
        return {}
    try:
        key = api.unseal(sealed_key, column=PERSONAL_KEY, row=str(person.pk))
    except KeysError as error:
        logger.error("personal_key.unreadable subject=%s error=%s", person.subject, type(error).__name__)  # noqa: TRY400
        return {}
    bound = _bound(person.subject, name, realm, target, now)
    return {SEALED: personal_fields.seal(fields, key=key, bound=bound)}


def record_about(
    person: User | None,
    whereabouts: Whereabouts,
    name: EventName,
    *,
    realm: str,
    actor: str,
    target: str,
    now: datetime,
    sealed_key: bytes | None,
    details: Details | None = None,
) -> None:
    """Append an event that keeps where a person was, in the transaction of what it tells of.

    Arguments:
        person, whereabouts, sealed_key: as in `sealed_details`; of nobody nothing is kept.
        name, realm, actor, target, now, details: as in `audit.services.record`.
    """
    told = dict(details or {})
    if person is not None:
        told |= sealed_details(
            person, whereabouts, name=name, realm=realm, target=target, now=now, sealed_key=sealed_key
        )
    record(name, realm=realm, actor=actor, target=target, now=now, details=told)


def seal_for_nobody(whereabouts: Whereabouts, *, now: datetime) -> None:
    """The work of `sealed_details` where there is no person, so that the time tells nothing."""
    key = secrets.token_bytes(personal_fields.KEY_BYTES)
    api.unseal(api.seal(key, column=PERSONAL_KEY, row=_NOBODY), column=PERSONAL_KEY, row=_NOBODY)
    personal_fields.seal(whereabouts.fields(), key=key, bound=_bound("", "", "", "", now))


def open_personal(event: Event) -> Mapping[str, str] | None:
    """The personal fields of an event, for whoever may see them (audit/hooks.py).

    Returns:
        None where the event has none, the person was deleted, or the seal doesn't open.
    """
    subjects = {event.target, event.actor.removeprefix("user:")}
    keys = PersonalKey.objects.filter(user__subject__in=subjects).select_related("user")
    found = (open_of(event, person=row.user, sealed_key=bytes(row.secret)) for row in keys)
    return next((fields for fields in found if fields is not None), None)


def open_of(event: Event, *, person: User, sealed_key: bytes) -> Mapping[str, str] | None:
    """The personal fields of an event that are sealed for one person; None where there are none.

    Arguments:
        sealed_key: the person's.
    """
    text = event.details.get(SEALED)
    if not isinstance(text, str):
        return None
    try:
        key = api.unseal(sealed_key, column=PERSONAL_KEY, row=str(person.pk))
        bound = _bound(person.subject, event.name, event.realm, event.target, event.occurred_at)
        return personal_fields.unseal(text, key=key, bound=bound)
    except SealBroken:
        return None


def _bound(subject: str, name: str, realm: str, target: str, now: datetime) -> tuple[str, ...]:
    return (subject, name, realm, target, now.astimezone(UTC).isoformat())
