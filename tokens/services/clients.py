"""Registering clients (RFC 6749 §2)."""

import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts.selectors import subject_exists
from audit.services import record
from audit.vocabulary import EventName
from keys import api
from keys.errors import ForeignKeyRefused
from realms.models import Realm
from tokens.client_auth.secret import digest_of
from tokens.client_metadata import ClientMetadata, completed
from tokens.client_rules import MAX_ITEM, Bounds, faults
from tokens.models import CLIENT_ID_PATTERN, MAX_SECRETS, Client
from tokens.vocabulary import DIRECT_CLIENT_ID, AuthMethod, ClientKind, GrantType

_SECRET_BYTES = 32
_MAX_NAME = 200


class ClientIdTaken(ValueError):
    """The realm has a client with this client_id."""


class ClientRefused(ValueError):
    """The metadata can't be registered; the text says why, a sentence a fault."""


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
            defaults={
                "name": "Direct sign-in",
                "kind": ClientKind.BUILT_IN,
                "access_token_alg": _algorithm_of_direct_client(realm),
                "created_at": now,
            },
        )
        if created:
            record_client_created(client, actor=actor, now=now)
    return client, created


def _algorithm_of_direct_client(realm: Realm) -> str:
    """The one that every client begins with, unless the realm has retired it; a realm may get its rings later."""
    usual, held = Client().access_token_alg, api.hold_rings(realm)
    return usual if usual in held or not held else min(held)


def create_client(
    *,
    realm: Realm,
    client_id: str,
    name: str,
    actor: str,
    now: datetime,
    metadata: ClientMetadata,
) -> tuple[Client, str | None]:
    """Register a client.

    Arguments:
        client_id: unique in the realm.
        name: what people read.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
        metadata: what it may do, and how it proves who it is.

    Returns:
        The client, and its secret, if it has one: this is the only time that anybody sees it.

    Raises:
        ClientIdTaken: the realm has such a client.
        ClientRefused: the metadata, the client_id or the name can't be registered.
    """
    metadata = completed(metadata)
    refuse_identity(client_id=client_id, name=name)
    secret = secrets.token_urlsafe(_SECRET_BYTES) if metadata.has_secret else None
    try:
        with transaction.atomic():
            refuse_faults(metadata, realm=realm, rings=api.hold_rings(realm))
            client = Client.objects.create(
                realm=realm,
                client_id=client_id,
                name=name,
                secret_digests=[digest_of(secret)] if secret else [],
                created_at=now,
                **columns_of(metadata),
            )
            record_client_created(client, actor=actor, now=now)
    except IntegrityError as error:
        if not Client.objects.filter(realm=realm, client_id=client_id).exists():
            raise
        raise ClientIdTaken(f"The realm {realm.slug} has a client {client_id!r} already.") from error
    return client, secret


def add_secret(client: Client, *, actor: str, now: datetime) -> str:
    """Make a further secret for a client; the newest two are valid, so that it can change without a gap.

    Arguments:
        client: one that authenticates by a secret.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Returns:
        The secret: this is the only time that anybody sees it.

    Raises:
        ClientRefused: the client authenticates in another way.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    with transaction.atomic():
        locked = Client.objects.select_for_update(of=("self",)).select_related("realm").get(pk=client.pk)
        if locked.auth_method not in (AuthMethod.BASIC, AuthMethod.POST):
            raise ClientRefused("This client doesn't authenticate by a secret.")
        locked.secret_digests = [digest_of(secret), *locked.secret_digests][:MAX_SECRETS]
        locked.save(update_fields=["secret_digests"])
        record_client_changed(locked, actor=actor, now=now, new_secret=True)
    return secret


def refuse_identity(*, client_id: str, name: str) -> None:
    """Refuse what no client can be called.

    Raises:
        ClientRefused: the client_id is malformed, this provider's own, or somebody's `sub`; or the name is
            empty, too long or not to be printed.
    """
    if not re.fullmatch(CLIENT_ID_PATTERN, client_id):
        raise ClientRefused("A client_id has 1 to 64 letters, digits and . _ ~ -, and begins with a letter or digit.")
    if client_id == DIRECT_CLIENT_ID:
        raise ClientRefused(f"{DIRECT_CLIENT_ID} is the provider's own client.")
    if subject_exists(client_id):
        raise ClientRefused("A client can't be called what a person's tokens call the person (RFC 9700 §4.15).")
    if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
        raise ClientRefused(f"A name has 1 to {_MAX_NAME} characters that can be printed.")


def refuse_faults(metadata: ClientMetadata, *, realm: Realm, rings: Collection[str] | None = None) -> None:
    """Refuse what can't be registered.

    Arguments:
        metadata: as asked for, and `completed`.
        realm: as it is, or as it will be.
        rings: the algorithms of the rings that it will have to sign with; None for those that it has.

    Raises:
        ClientRefused: one sentence a fault.
    """
    bounds = Bounds(realm.access_token_lifetime, realm.refresh_idle_lifetime, realm.refresh_absolute_lifetime)
    found = [
        *faults(metadata, bounds=bounds),
        *_algorithm_faults(metadata, api.ring_algorithms(realm) if rings is None else rings),
        *_encryption_faults(metadata),
        *_key_faults(metadata),
    ]
    if found:
        raise ClientRefused(" ".join(found))


def _algorithm_faults(metadata: ClientMetadata, rings: Collection[str]) -> Iterator[str]:
    """Whatever is signed for the client, a ring of the realm has to sign; what isn't yet may be one day."""
    known = {*api.signing_algorithms(), ""}
    for name in sorted({metadata.id_token_alg, metadata.userinfo_alg, metadata.access_token_alg} - known):
        yield f"Nothing is signed with the alg {name[:MAX_ITEM]!r} here: discovery lists those that there are."
    people = metadata.response_types or GrantType.DEVICE_CODE in metadata.grant_types
    for what, algorithm in (
        ("ID tokens", metadata.id_token_alg if people else ""),
        ("userinfo", metadata.userinfo_alg),
        ("access tokens", "" if metadata.opaque_access_tokens else metadata.access_token_alg),
    ):
        if algorithm and algorithm not in rings:
            others = f"choose {' or '.join(sorted(rings))}, or " if rings else ""
            yield f"The realm has no ring that signs {what} with {algorithm}: {others}add one with add_ring."


def _encryption_faults(metadata: ClientMetadata) -> Iterator[str]:
    """Whatever is encrypted for the client, this provider has to know how."""
    for name in sorted(metadata.encryption_algs - set(api.encryption_algorithms())):
        yield f"Nothing is encrypted with the alg {name[:MAX_ITEM]!r} here: discovery lists those that there are."
    encs = {metadata.id_token_encryption_enc, metadata.userinfo_encryption_enc} - {""}
    for name in sorted(encs - set(api.content_encryptions())):
        yield f"Nothing is encrypted with the enc {name[:MAX_ITEM]!r} here: discovery lists those that there are."


def _key_faults(metadata: ClientMetadata) -> Iterator[str]:
    """The JWK Set has to be sound, and to have a key for each thing that it is there for."""
    if metadata.jwks is None:
        return
    try:
        api.clean_jwks(metadata.jwks)
        if metadata.auth_method is AuthMethod.PRIVATE_KEY_JWT:
            api.check_signature_keys(metadata.jwks)
        for alg in sorted(metadata.encryption_algs & set(api.encryption_algorithms())):
            api.check_encryption_key(metadata.jwks, alg)
    except ForeignKeyRefused as error:
        yield str(error)


def columns_of(metadata: ClientMetadata) -> dict[str, Any]:
    """The columns that hold a client's metadata, which has been held against the rules."""
    columns = {column.name: getattr(metadata, column.name) for column in fields(metadata)}
    lists = {name: list(value) for name, value in columns.items() if isinstance(value, tuple)}
    keys = None if metadata.jwks is None else api.clean_jwks(metadata.jwks)
    return {**columns, **lists, "kind": metadata.kind, "jwks": keys}


def record_client_created(client: Client, *, actor: str, now: datetime) -> None:
    """Append the event of a new client."""
    details = {"kind": client.kind}
    record(
        EventName.CLIENT_CREATED,
        realm=client.realm.slug,
        actor=actor,
        target=client.client_id,
        now=now,
        details=details,
    )


def record_client_changed(client: Client, *, actor: str, now: datetime, new_secret: bool = False) -> None:
    """Append the event of a changed client, or of its new secret."""
    details = {"enabled": client.enabled, "new_secret": new_secret}
    record(
        EventName.CLIENT_CHANGED,
        realm=client.realm.slug,
        actor=actor,
        target=client.client_id,
        now=now,
        details=details,
    )
