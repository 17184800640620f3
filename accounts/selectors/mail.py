"""Reading the outbox of mails, and the links that were mailed."""

from datetime import datetime
from uuid import UUID

from django.db.models import Min

from accounts.models import MailedLink, OutgoingMail, User
from accounts.vocabulary import LinkPurpose
from realms.models import Realm


def next_mail_attempt() -> datetime | None:
    """When the next mail is due, also where that is long past; None where none waits."""
    found: datetime | None = OutgoingMail.objects.aggregate(at=Min("next_attempt_at"))["at"]
    return found


def link_with(digest: bytes, *, purpose: LinkPurpose, realm: Realm, now: datetime) -> MailedLink | None:
    """The link whose secret has this digest, if it is good for this purpose in this realm now, with its person.

    Arguments:
        now: aware time.
    """
    standing = MailedLink.objects.select_related("user", "realm")
    return standing.filter(digest=digest, purpose=purpose, realm=realm, used_at=None, expires_at__gt=now).first()


def standing_link(link_id: UUID, *, purpose: LinkPurpose, realm: Realm, now: datetime) -> MailedLink | None:
    """The link with this id, by the same rules as `link_with`."""
    standing = MailedLink.objects.select_related("user", "realm")
    return standing.filter(pk=link_id, purpose=purpose, realm=realm, used_at=None, expires_at__gt=now).first()


def awaited_address(person: User, *, now: datetime) -> str:
    """The address that a person has still to confirm; "" for none.

    Arguments:
        now: aware time.
    """
    theirs = MailedLink.objects.filter(purpose=LinkPurpose.CONFIRM_ADDRESS, user=person)
    return theirs.filter(used_at=None, expires_at__gt=now).values_list("email", flat=True).first() or ""
