"""Changing what a client registered, and switching clients on and off."""

from datetime import datetime

from django.db import transaction

from keys import api
from realms.models import Realm
from tokens.client_metadata import ClientMetadata, completed
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.services.algorithm_changes import refuse_early_algorithms
from tokens.services.clients import (
    ClientRefused,
    columns_of,
    ensure_direct_client,
    record_client_changed,
    refuse_faults,
    refuse_identity,
)

# Another method would leave it without its secret, another subject type or sector among strangers.
IDENTITY = ("auth_method", "subject_type", "sector_identifier")


def change_client(
    client: Client, *, name: str, enabled: bool, metadata: ClientMetadata, actor: str, now: datetime
) -> Client:
    """Give a client another registration. Its secrets stay as they are.

    Arguments:
        client: which one; not the built-in one.
        name: what people read.
        enabled: whether anything that it was granted works.
        metadata: all that it registers, not what differs alone.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Returns:
        The client as it is now.

    Raises:
        ClientRefused: the name or the metadata can't be registered, would change who it is, or have its tokens
            signed by a key that verifiers don't know yet.
    """
    metadata = completed(metadata)
    refuse_identity(client_id=client.client_id, name=name)
    with transaction.atomic():
        locked = _locked(client)
        present = metadata_of(locked)
        if any(getattr(present, attribute) != getattr(metadata, attribute) for attribute in IDENTITY):
            raise ClientRefused(
                "How a client authenticates and by what subjects it knows people never changes: register another one."
            )
        refuse_faults(metadata, realm=locked.realm, rings=api.hold_rings(locked.realm))
        refuse_early_algorithms(present, metadata, realm=locked.realm)
        columns = {"name": name, "enabled": enabled, **columns_of(metadata)}
        # What somebody chose by hand is no migration's to take back.
        columns["moved_algorithms"] = {
            column: source
            for column, source in locked.moved_algorithms.items()
            if columns[column] == getattr(present, column)
        }
        for column, value in columns.items():
            setattr(locked, column, value)
        # Of what was asked for and no more: a secret that was made meanwhile would be lost with it.
        locked.save(update_fields=list(columns))
        record_client_changed(locked, actor=actor, now=now)
    return locked


def switch_direct_sign_in(realm: Realm, *, enabled: bool, actor: str, now: datetime) -> Client:
    """Switch a realm's direct sign-in on or off: its built-in client, which is made if it is not there.

    Arguments:
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
    """
    with transaction.atomic():
        locked = _locked(ensure_direct_client(realm=realm, actor=actor, now=now)[0])
        if locked.enabled is not enabled:
            locked.enabled = enabled
            locked.save(update_fields=["enabled"])
            record_client_changed(locked, actor=actor, now=now)
    return locked


def _locked(client: Client) -> Client:
    return Client.objects.select_for_update(of=("self",)).select_related("realm").get(pk=client.pk)
