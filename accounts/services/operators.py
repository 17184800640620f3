"""Making operators: people who may sign in to the admin, with a role there. One owner always stays."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.errors import LastSuperuser, UnknownRole
from accounts.models import User
from accounts.selectors.operators import owners
from accounts.services.people import draft_person, record_person_changed, save_member
from accounts.vocabulary import OperatorRole, group_of
from realms.models import Realm


def create_operator(
    *,
    username: str,
    password: str,
    role: OperatorRole,
    realm: Realm,
    actor: str,
    now: datetime,
    email: str = "",
    roles: Sequence[str] = (),
) -> User:
    """Make a person who may sign in to the admin, with a role there; all of it or nothing.

    Arguments:
        role: what they may do in the admin. An owner may do everything: that is the whole installation.
        roles: what they are in the realm; this and the rest as in `create_member`.

    Raises:
        UnknownRole: the group of the role isn't there.
        NameRefused, NameTaken, AddressTaken, WeakPassword, HashingBusy: as `create_member`.
    """
    owner = role is OperatorRole.OWNER
    person = draft_person(username=username, password=password, email=email, operator=owner, now=now)
    person.is_staff = True
    person.set_password(password)
    with transaction.atomic():
        save_member(person, realm=realm, roles=roles, actor=actor, now=now)
        if not owner:
            _give(person, role, actor=actor, now=now)
    return person


def hold_owners() -> None:
    """Hold the rows of all superusers: of two who lose their rights at once the second sees that the first has.

    Call it in a transaction, before the change; `require_an_owner` after it.
    """
    list(User.objects.filter(is_superuser=True).order_by("pk").select_for_update(of=("self",), no_key=True))


def require_an_owner() -> None:
    """Refuse a change after which nobody could make another owner.

    Raises:
        LastSuperuser: nobody is left; the transaction has to be undone.
    """
    if not owners().exists():
        raise LastSuperuser("This is the only owner who can come in. Make somebody else one first.")


def _give(person: User, role: OperatorRole, *, actor: str, now: datetime) -> None:
    group = Group.objects.filter(name=group_of(role)).first()
    if group is None:
        raise UnknownRole(f"The group {group_of(role)!r} isn't there: run migrate, which makes it.")
    person.groups.add(group)
    record_person_changed(person, fields=["groups"], actor=actor, now=now)
