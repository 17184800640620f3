"""Links that are mailed: made, found by their secret, and used once."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from accounts.errors import LinkOver
from accounts.models import MailedLink, User
from accounts.vocabulary import LinkPurpose
from realms.models import Realm

LIFETIMES = {
    LinkPurpose.CONFIRM_ADDRESS: timedelta(hours=24),
    LinkPurpose.RESET_PASSWORD: timedelta(minutes=30),
    LinkPurpose.INVITATION: timedelta(days=7),
}
_SECRET_BYTES = 32
_KEPT = timedelta(days=7)
_BATCH = 500
_END_EARLIER = "DELETE FROM accounts_mailedlink WHERE purpose = %(purpose)s AND used_at IS NULL AND user_id = %(user)s"
# From the person's row, so that for nobody it makes nothing and takes as long.
_MAKE = """
    INSERT INTO accounts_mailedlink (id, purpose, realm_id, user_id, email, roles, digest, created_at, expires_at)
    SELECT %(id)s, %(purpose)s, %(realm)s, id, %(email)s, '[]', %(digest)s, %(now)s, %(end)s
    FROM accounts_user WHERE id = %(user)s
"""


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: SHA-256, since 256 random bits can't be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def make_link(*, purpose: LinkPurpose, realm: Realm, email: str, person: User | None, now: datetime) -> str:
    """Make a link of a person's, in the transaction that writes its mail. Earlier ones of this purpose end.

    Arguments:
        purpose: what it is for; not an invitation.
        realm: where it leads to.
        email: where it is mailed to.
        person: whose it is. For nobody the same statements run and make nothing.
        now: aware time.

    Returns:
        The secret, which is for the mail alone.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    with connection.cursor() as cursor:
        columns = _columns(purpose=purpose, realm=realm, email=email, secret=secret, now=now)
        parameters = {**columns, "user": None if person is None else person.pk}
        cursor.execute(_END_EARLIER, parameters)
        cursor.execute(_MAKE, parameters)
    return secret


def make_invitation(*, realm: Realm, email: str, roles: Sequence[str], now: datetime) -> tuple[MailedLink, str]:
    """Make a link that invites, in the transaction that writes its mail. An earlier one to the same address ends.

    Arguments:
        realm: where somebody is invited to.
        email: where it is mailed to; checked.
        roles: what it gives; checked.
        now: aware time.

    Returns:
        The row, and the secret, which is for the mail alone.
    """
    earlier = MailedLink.objects.filter(purpose=LinkPurpose.INVITATION, realm=realm, email__iexact=email, used_at=None)
    earlier.delete()
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    row = MailedLink.objects.create(
        purpose=LinkPurpose.INVITATION,
        realm=realm,
        email=email,
        roles=list(roles),
        digest=digest_of(secret),
        created_at=now,
        expires_at=now + LIFETIMES[LinkPurpose.INVITATION],
    )
    return row, secret


def use_link(link: MailedLink, *, now: datetime) -> None:
    """Use a link up, in the transaction of what it is for; of several who try at once, one does.

    Arguments:
        link: one that stood when it was read.
        now: aware time.

    Raises:
        LinkOver: it was used, has ended or was replaced; or its person has got another password since.
    """
    if link.user_id is not None:
        person = User.objects.select_for_update(no_key=True).filter(pk=link.user_id, is_active=True).first()
        if person is None or (person.signed_out_at is not None and person.signed_out_at > link.created_at):
            raise LinkOver("The link is no longer good.")
    # Conditions on this row alone, so that PostgreSQL looks at them again once whoever was faster is done.
    standing = MailedLink.objects.filter(pk=link.pk, used_at__isnull=True, expires_at__gt=now)
    # An invitation isn't its person's row and doesn't go with them, so it forgets where it was mailed to.
    changes = {"used_at": now} if link.user_id is not None else {"used_at": now, "email": ""}
    if not standing.update(**changes):
        raise LinkOver("The link is no longer good.")


def purge_dead_links(now: datetime) -> int:
    """Delete links that ended a week ago, in small batches: by then nobody asks what became of them.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        keys = list(MailedLink.objects.filter(expires_at__lt=now - _KEPT).values_list("pk", flat=True)[:_BATCH])
        batch, _by_model = MailedLink.objects.filter(pk__in=keys).delete()
        deleted += batch
        if len(keys) < _BATCH:
            return deleted


def _columns(*, purpose: LinkPurpose, realm: Realm, email: str, secret: str, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid.uuid4(),
        "purpose": purpose.value,
        "realm": realm.pk,
        "email": email,
        "digest": digest_of(secret),
        "now": now,
        "end": now + LIFETIMES[purpose],
    }
