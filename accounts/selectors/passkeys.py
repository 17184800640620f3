"""Reading passkeys."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import OuterRef, Subquery

from accounts.models import Membership, Passkey, User
from realms.models import Realm


def passkeys_of(person: User) -> list[Passkey]:
    """A person's passkeys, the oldest first."""
    return list(Passkey.objects.filter(user=person))


def own_passkey(text: str, *, person: User) -> Passkey | None:
    """A person's passkey; None where they have none with this id.

    Arguments:
        text: an id from a form, however hostile.
    """
    try:
        found = UUID(text)
    except ValueError:
        return None
    return Passkey.objects.filter(pk=found, user=person).first()


@dataclass(frozen=True, slots=True)
class PasskeyCandidate:
    """A passkey, with its person, and their roles in a realm: None where they are no member of it."""

    passkey: Passkey
    roles: tuple[str, ...] | None


def passkey_candidate(credential_id: bytes, *, realm: Realm | None) -> PasskeyCandidate | None:
    """Which passkey has this id, and whose it is. One query.

    Arguments:
        credential_id: as an authenticator says.
        realm: to be signed in to; None for the operators' admin, which asks for none.
    """
    roles = Membership.objects.filter(user=OuterRef("user"), realm=realm).values("roles")[:1]
    found = Passkey.objects.select_related("user").filter(credential_id=credential_id)
    passkey = found.annotate(roles=Subquery(roles)).first()
    if passkey is None:
        return None
    return PasskeyCandidate(passkey, None if passkey.roles is None else tuple(passkey.roles))
