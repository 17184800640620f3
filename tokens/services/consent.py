"""Remembering what a person allowed a client, and forgetting it (OpenID Connect Core §3.1.2.4)."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from accounts.models import User
from audit.services import record, record_each
from audit.vocabulary import EventName
from tokens.models import Client, Consent, Grant
from tokens.selectors import resting_on
from tokens.services.revocation import end_grants
from tokens.vocabulary import RevocationReason

# One statement, so that a withdrawal at the same moment comes before it or after it, and never in its midst.
_REMEMBER = """
    INSERT INTO tokens_consent AS c (user_id, client_id, scopes, granted_at)
    VALUES (%(user)s, %(client)s, %(scopes)s::jsonb, %(now)s)
    ON CONFLICT (user_id, client_id) DO UPDATE SET granted_at = EXCLUDED.granted_at, scopes = (
        SELECT COALESCE(jsonb_agg(DISTINCT scope COLLATE "C"), '[]')
        FROM jsonb_array_elements_text(c.scopes || EXCLUDED.scopes) AS scope
    )
"""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal took back.

    Attributes:
        consents: how many clients have to ask again.
        grants: how many grants ended.
    """

    consents: int
    grants: int


def remember(*, person: User, client: Client, scopes: tuple[str, ...], now: datetime) -> None:
    """Add scopes to what a person allowed a client, with an event.

    Until the caller's transaction is over, nobody withdraws it.

    Arguments:
        person, client: who allowed whom.
        scopes: what was on the page; earlier ones stay.
        now: aware time of the decision.
    """
    parameters: dict[str, Any] = {
        "user": person.pk,
        "client": client.pk,
        "scopes": json.dumps(sorted(set(scopes))),
        "now": now,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_REMEMBER, parameters)
        record(
            EventName.CONSENT_GRANTED,
            realm=client.realm.slug,
            actor=f"user:{person.subject}",
            target=client.client_id,
            now=now,
            details={"scope": " ".join(scopes)[:500]},
        )


def still_covers(scopes: tuple[str, ...], *, person: User, client: Client) -> bool:
    """Whether a consent covers scopes; nobody withdraws it before the caller's transaction is over.

    Arguments:
        person, client: who allowed whom.
    """
    consents = Consent.objects.filter(user=person, client=client).select_for_update(no_key=True)
    found = consents.values_list("scopes", flat=True).first()
    return found is not None and set(scopes) <= set(found)


def withdraw(*, person: User, client: Client, actor: str, now: datetime) -> Withdrawal:
    """Take back what a person allowed a client, and end all that it was given for it; committed when this returns.

    The person's other clients, and their session, stay. A client that isn't asked for consent loses its grants too.

    Arguments:
        person, client: whose consent.
        actor: opaque id of who does it, for the audit.
        now: aware time of the withdrawal.
    """
    consents = Consent.objects.filter(user=person, client=client)
    return _withdraw(consents, Grant.objects.filter(user=person, client=client), actor=actor, now=now)


def withdraw_each(consents: Collection[int], *, actor: str, now: datetime, because: str) -> Withdrawal:
    """The same of several consents at once, by an operator.

    Arguments:
        consents: primary keys; those that are gone already are passed over.
        actor, now: as `withdraw`.
        because: the operator's words.
    """
    chosen = Consent.objects.filter(pk__in=consents)
    return _withdraw(chosen, resting_on(chosen), actor=actor, now=now, because=because)


def _withdraw(
    consents: QuerySet[Consent], grants: QuerySet[Grant], *, actor: str, now: datetime, because: str = ""
) -> Withdrawal:
    """Lock the consents, then end the grants, then forget.

    In this order, each with its own look at the rows: whoever begins a grant holds the consent until the grant is
    there, so it is found; and whoever comes later finds no consent.
    """
    with transaction.atomic(durable=True):
        locked = consents.select_for_update(of=("self",)).order_by("pk")
        columns = ("pk", "client__realm__slug", "client__client_id", "user__subject", "scopes")
        found = list(locked.values_list(*columns))
        ended = end_grants(grants, reason=RevocationReason.WITHDRAWN, actor=actor, now=now, because=because)
        Consent.objects.filter(pk__in=[row[0] for row in found]).delete()
        targets = [
            (slug, client_id, {"subject": subject, "scope": " ".join(scopes)[:500]})
            for _pk, slug, client_id, subject, scopes in found
        ]
        record_each(EventName.CONSENT_WITHDRAWN, targets=targets, actor=actor, now=now, reason=because)
    return Withdrawal(len(found), ended)
