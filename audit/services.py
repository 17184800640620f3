"""Writing security events, in the transaction of what they tell of."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.hooks import personal_fields
from audit.models import Event
from audit.vocabulary import EventName
from realms.models import Realm

logger = logging.getLogger("signet.audit")

Details = Mapping[str, str | int | bool | None]


def record(
    name: EventName,
    *,
    realm: str,
    actor: str,
    target: str,
    now: datetime,
    reason: str = "",
    details: Details | None = None,
) -> None:
    """Append one event.

    Arguments:
        name: what happened.
        realm: the realm's slug, or "" for the installation.
        actor: an opaque id of who did it (`command:rotate_keys`, `user:` and a subject, `client:` and a
            client_id), never a name or an address.
        target: an opaque id of what it happened to (a kid, a grant's id, a client_id).
        now: aware time of the event.
        reason: the words an operator gave.
        details: few more facts; never a secret, a token or personal data.
    """
    event = _event(name, realm=realm, actor=actor, target=target, now=now, reason=reason, details=details)
    event.save(force_insert=True)
    _log(event)


def open_personal_fields(event: Event, *, actor: str, now: datetime) -> Mapping[str, str] | None:
    """Open where somebody was, and write down that it was opened: whoever looks leaves a trace too.

    Arguments:
        event: whose fields they are.
        actor: opaque id of who looks; they have the permission `VIEW_PERSONAL`.
        now: aware time.

    Returns:
        The fields; None where there are none, or none that anybody can open any more, and then nothing is written.
    """
    found = personal_fields(event)
    if found is not None:
        person = event.actor.removeprefix("user:") if event.actor.startswith("user:") else event.target
        record(
            EventName.PERSONAL_FIELDS_OPENED,
            realm=event.realm,
            actor=actor,
            target=str(event.pk),
            now=now,
            details={"subject": person},
        )
    return found


def record_realm_changed(realm: Realm, differs: Mapping[str, str], actor: str, now: datetime) -> None:
    """Append the event of a realm that is another now.

    Arguments:
        differs: what was before and what is now, by the column's name.
        actor: opaque id of who did it.
        now: aware time of the change.
    """
    record(EventName.REALM_CHANGED, realm=realm.slug, actor=actor, target=realm.issuer, now=now, details=differs)


def record_each(
    name: EventName,
    *,
    targets: Sequence[tuple[str, str, Details]],
    actor: str,
    now: datetime,
    reason: str = "",
) -> None:
    """Append one event for each of several targets, in one statement.

    Arguments:
        targets: a realm's slug, an opaque id and the details, each as in `record`.
        name, actor, now, reason: the same for all; as in `record`.
    """
    events = [
        _event(name, realm=realm, actor=actor, target=target, now=now, reason=reason, details=details)
        for realm, target, details in targets
    ]
    Event.objects.bulk_create(events)
    for event in events:
        _log(event)


def _event(
    name: EventName,
    *,
    realm: str,
    actor: str,
    target: str,
    now: datetime,
    reason: str = "",
    details: Details | None = None,
) -> Event:
    return Event(
        occurred_at=now,
        name=name,
        realm=realm,
        actor=actor[:200],
        target=target[:500],
        reason=reason[:500],
        details=dict(details or {}),
    )


def _log(event: Event) -> None:
    logger.info("%s realm=%s target=%s actor=%s", event.name, event.realm, event.target, event.actor)
