"""Writing security events, in the transaction of what they tell of."""

import logging
from collections.abc import Mapping
from datetime import datetime

from audit.models import Event
from audit.vocabulary import EventName

logger = logging.getLogger("signet.audit")


def record(
    name: EventName,
    *,
    realm: str,
    actor: str,
    target: str,
    now: datetime,
    reason: str = "",
    details: Mapping[str, str | int | bool | None] | None = None,
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
    Event.objects.create(
        occurred_at=now,
        name=name,
        realm=realm,
        actor=actor[:200],
        target=target[:500],
        reason=reason[:500],
        details=dict(details or {}),
    )
    logger.info("%s realm=%s target=%s actor=%s", name, realm, target, actor)
