"""What every change of somebody's factors shares: others wait for it, it leaves an event, and its person is told."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from accounts import letters
from accounts.errors import FactorExists
from accounts.models import RecoveryCode, User
from accounts.selectors.factors import factors_of
from accounts.selectors.people import home_of
from accounts.services.outbox import post
from accounts.vocabulary import FactorChange
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm


def hold_factors(person: User, *, only_first: bool = False) -> None:
    """Have everybody else who adds or removes second factors of a person wait until the caller's transaction ends.

    Arguments:
        only_first: refuse where they have one by now, which somebody without it must not add to.

    Raises:
        FactorExists: `only_first`, and there is one.
    """
    User.objects.select_for_update(no_key=True).filter(pk=person.pk).values_list("pk").first()
    if only_first and factors_of(person).any:
        raise FactorExists("There is a second factor already.")


def record_change(
    name: EventName,
    person: User,
    told: FactorChange | None,
    *,
    realm: Realm | None,
    actor: str,
    now: datetime,
    reason: str = "",
    **details: str | int,
) -> None:
    """Append the event of a change, and mail it to whose factors they are, in the transaction that makes it.

    Whoever added the factor may be somebody else, so the mail goes to an address that was confirmed, or to none.

    Arguments:
        name, actor, now, reason, details: of the event; its target is the person.
        person: whose factors they are.
        told: what the mail says; None for no mail.
        realm: where it happened; None outside of any, and then the mail speaks for one that they are a member of.

    Raises:
        KeysError: nothing can be sealed now; then nothing may be changed either.
    """
    slug = realm.slug if realm else ""
    record(name, realm=slug, actor=actor, target=person.subject, now=now, reason=reason, details=details)
    if told is None or not (settings.IDP_CAN_MAIL and person.email_verified):
        return
    speaking = realm or home_of(person)
    if speaking is not None:
        post(letters.factors_changed(realm=speaking, username=person.username, change=told), to=person.email, now=now)


def remove_stranded_recovery_codes(
    *, person: User, actor: str, now: datetime, reason: str = "", realm: Realm | None = None
) -> int:
    """Remove the recovery codes of somebody who has no second factor any more. Call it in the removal's transaction.

    Arguments are those of `accounts.services.second_factors.remove_totp`.

    Returns:
        How many were removed, used ones among them.
    """
    with transaction.atomic():
        hold_factors(person)
        if factors_of(person).any:
            return 0
        removed, _by_model = RecoveryCode.objects.filter(user=person).delete()
        if removed:
            name = EventName.RECOVERY_CODES_REMOVED
            record_change(name, person, None, realm=realm, actor=actor, now=now, reason=reason, count=removed)
    return removed
