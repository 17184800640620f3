"""What people remove of their own second factors: never the last one where a realm demands one."""

from datetime import datetime

from django.db import transaction

from accounts.errors import FactorDemanded
from accounts.models import Passkey, User
from accounts.selectors.factors import factor_is_demanded, factors_of
from accounts.services.passkeys import remove_passkey
from accounts.services.second_factors import remove_totp
from realms.models import Realm


def remove_own_passkey(passkey: Passkey, *, realm: Realm, now: datetime) -> None:
    """Remove a passkey for its person.

    Arguments:
        passkey: its row; removed already or not.
        realm: where.
        now: aware time.

    Raises:
        FactorDemanded: it is the last second factor, and a realm of theirs demands one.
    """
    with transaction.atomic():
        remove_passkey(passkey, actor=f"user:{passkey.user.subject}", now=now, realm=realm)
        _refuse_to_strand(passkey.user)


def remove_own_totp(person: User, *, realm: Realm, now: datetime) -> None:
    """Remove an authenticator app for its person.

    Arguments:
        person: whose; with or without one.
        realm: where.
        now: aware time.

    Raises:
        FactorDemanded: it is the last second factor, and a realm of theirs demands one.
    """
    with transaction.atomic():
        remove_totp(person=person, actor=f"user:{person.subject}", now=now, realm=realm)
        _refuse_to_strand(person)


def _refuse_to_strand(person: User) -> None:
    """Undo what was removed. The removal holds the person, so no two take away the last two at once."""
    if factor_is_demanded(person) and not factors_of(person).any:
        raise FactorDemanded("It is the last second factor.")
