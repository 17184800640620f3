"""Making operators: people who may sign in to the admin, with a role there."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.errors import UnknownRole
from accounts.models import User
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


def _give(person: User, role: OperatorRole, *, actor: str, now: datetime) -> None:
    group = Group.objects.filter(name=group_of(role)).first()
    if group is None:
        raise UnknownRole(f"The group {group_of(role)!r} isn't there: run migrate, which makes it.")
    person.groups.add(group)
    record_person_changed(person, fields=["groups"], actor=actor, now=now)
