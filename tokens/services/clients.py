"""Making clients (RFC 6749 §2)."""

import hashlib
import hmac
import secrets
from datetime import datetime

from django.db import IntegrityError, transaction

from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm
from tokens.models import Client
from tokens.vocabulary import DIRECT_CLIENT_ID, ClientKind

_SECRET_BYTES = 32


class ClientIdTaken(ValueError):
    """The realm has a client with this client_id."""


def digest_of(secret: str) -> str:
    """What is stored of a client's secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


def secret_matches(client: Client, secret: str) -> bool:
    """Whether a secret is one of the client's; every digest is compared, in constant time."""
    presented = digest_of(secret)
    return any([hmac.compare_digest(presented, stored) for stored in client.secret_digests])  # noqa: C419  (all of them)


def ensure_direct_client(*, realm: Realm, actor: str, now: datetime) -> tuple[Client, bool]:
    """The built-in client that direct sign-in's grants belong to; made if it is not there.

    Arguments:
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Returns:
        The client, and whether it was made by this call.
    """
    with transaction.atomic():
        client, created = Client.objects.get_or_create(
            realm=realm,
            client_id=DIRECT_CLIENT_ID,
            defaults={"name": "Direct sign-in", "kind": ClientKind.BUILT_IN, "created_at": now},
        )
        if created:
            record_client_created(client, actor=actor, now=now)
    return client, created


def create_client(*, realm: Realm, client_id: str, name: str, actor: str, now: datetime) -> tuple[Client, str]:
    """Make a confidential client.

    Arguments:
        client_id: unique in the realm.
        name: what people read.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Returns:
        The client, and its secret: this is the only time that anybody sees it.

    Raises:
        ClientIdTaken: the realm has such a client.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    try:
        with transaction.atomic():
            client = Client.objects.create(
                realm=realm,
                client_id=client_id,
                name=name,
                kind=ClientKind.CONFIDENTIAL,
                secret_digests=[digest_of(secret)],
                created_at=now,
            )
            record_client_created(client, actor=actor, now=now)
    except IntegrityError as error:
        if not Client.objects.filter(realm=realm, client_id=client_id).exists():
            raise
        raise ClientIdTaken(f"The realm {realm.slug} has a client {client_id!r} already.") from error
    return client, secret


def record_client_created(client: Client, *, actor: str, now: datetime) -> None:
    """Append the event of a new client; the admin's form writes the row itself."""
    details = {"kind": client.kind}
    record(
        EventName.CLIENT_CREATED,
        realm=client.realm.slug,
        actor=actor,
        target=client.client_id,
        now=now,
        details=details,
    )


def record_client_changed(client: Client, *, actor: str, now: datetime) -> None:
    """Append the event of a changed client."""
    details = {"enabled": client.enabled}
    record(
        EventName.CLIENT_CHANGED,
        realm=client.realm.slug,
        actor=actor,
        target=client.client_id,
        now=now,
        details=details,
    )
