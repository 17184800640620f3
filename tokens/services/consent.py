"""Remembering what a person allowed a client (OpenID Connect Core §3.1.2.4)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from audit.services import record
from audit.vocabulary import EventName
from tokens.models import Client, Consent


def remember(*, person: User, client: Client, scopes: tuple[str, ...], now: datetime) -> None:
    """Add scopes to what a person allowed a client, with an event.

    Arguments:
        person, client: who allowed whom.
        scopes: what was on the page; earlier ones stay.
        now: aware time of the decision.
    """
    with transaction.atomic():
        consent, _created = Consent.objects.get_or_create(
            user=person, client=client, defaults={"scopes": [], "granted_at": now}
        )
        locked = Consent.objects.select_for_update().get(pk=consent.pk)
        locked.scopes = sorted({*locked.scopes, *scopes})
        locked.granted_at = now
        locked.save(update_fields=["scopes", "granted_at"])
        record(
            EventName.CONSENT_GRANTED,
            realm=client.realm.slug,
            actor=f"user:{person.subject}",
            target=client.client_id,
            now=now,
            details={"scope": " ".join(scopes)[:500]},
        )
