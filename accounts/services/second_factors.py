"""Second factors other than passkeys: an authenticator app, and the codes for the day on which it is lost.

Every one-time code is spent by one conditional UPDATE, so of several who send it at once exactly one is let in.
Guesses take a place in the limits before anything is looked at.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts import recovery_codes, totp
from accounts.acr import ONE_TIME_CODE
from accounts.errors import EnrolmentOver, FactorExists, FactorMissing, FactorRefused
from accounts.models import RecoveryCode, TotpSecret, User
from accounts.selectors.factors import (
    ENROLMENT_LIFETIME,
    TOTP_COLUMN,
    Enrolment,
    confirmed_totp,
    enrolling_totp,
    factors_of,
    seed_of,
)
from accounts.services.attempts import Attempt, reserve
from accounts.services.factor_changes import hold_factors, record_change, remove_stranded_recovery_codes
from accounts.services.personal import personal_key, record_about
from accounts.services.places import Place, give_back
from accounts.services.presence import noticing_deletion
from accounts.vocabulary import Factor, FactorChange
from accounts.whereabouts import Whereabouts
from audit.vocabulary import EventName
from keys.api import seal
from keys.errors import KeysError
from realms.models import Realm

_METHODS = (ONE_TIME_CODE,)


def begin_totp(*, person: User, now: datetime) -> Enrolment:
    """Begin to set up an authenticator app, in the place of one that was begun and not confirmed.

    Each beginning has a seed of its own: whoever began before, with a stolen password say, knows nothing of it.

    Arguments:
        person: whose.
        now: aware time.

    Raises:
        FactorExists: they have one.
        PersonGone: they were deleted in this moment.
        KeysError: nothing can be sealed now.
    """
    seed, row_id = totp.new_seed(), uuid.uuid4()
    sealed = seal(seed, column=TOTP_COLUMN, row=str(row_id))
    with noticing_deletion(person), transaction.atomic():
        hold_factors(person)
        if confirmed_totp(person) is not None:
            raise FactorExists("There is an authenticator app already.")
        TotpSecret.objects.filter(user=person).delete()
        TotpSecret.objects.create(id=row_id, user=person, secret=sealed, created_at=now)
    return Enrolment(row_id, seed)


def confirm_totp(
    *,
    person: User,
    enrolment: UUID,
    typed: str,
    actor: str,
    now: datetime,
    only_first: bool = False,
    realm: Realm | None = None,
) -> None:
    """Take an authenticator app for a second factor, now that it has shown that it has the seed.

    A wrong code counts against no limit: whoever sets an app up was shown the seed, so there is nothing to guess.

    Arguments:
        person: whose.
        enrolment: which one, as `begin_totp` named it.
        typed: the code, however hostile.
        actor: opaque id of who does it, for the audit.
        now: aware time.
        only_first: as in `hold_factors`.
        realm: where; None for the operators' admin.

    Raises:
        FactorRefused: the code is wrong; it can be tried again.
        EnrolmentOver: it is over, or another was begun meanwhile.
        FactorExists: `only_first`, and there is one.
        KeysError: the seed can't be unsealed now, or its person not be told.
    """
    begun = enrolling_totp(person, enrolment, now=now)
    if begun is None:
        raise EnrolmentOver("The authenticator app was not confirmed in time.")
    code = totp.read(typed)
    step = None if code is None else totp.matching_step(begun.seed, code, now=now)
    if step is None:
        raise FactorRefused("The code is wrong.")
    with transaction.atomic():
        hold_factors(person, only_first=only_first)
        waiting = TotpSecret.objects.filter(pk=begun.id, confirmed_at__isnull=True)
        if not waiting.update(confirmed_at=now, last_step=step, last_used_at=now):
            raise EnrolmentOver("Another authenticator app was begun meanwhile.")
        told = FactorChange.APP_ADDED
        record_change(EventName.FACTOR_ADDED, person, told, realm=realm, actor=actor, now=now, factor=Factor.TOTP)


def prove_totp(*, person: User, typed: str, realm: Realm | None, address: str, now: datetime) -> tuple[str, ...]:
    """Take a code of a person's authenticator app, once (RFC 6238 §5.2).

    Arguments:
        person: who passed the first part, or is signed in.
        typed: the code, however hostile.
        realm: where, for the audit; None for the operators' admin.
        address: the client's, for the limits.
        now: aware time.

    Returns:
        How it was proved; `accounts.acr.joined` adds it to the first part.

    Raises:
        FactorRefused: it is wrong, was used, or they have no app. What can't be a code costs no attempt.
        TooManyAttempts: a limit is reached; nothing was looked at.
        KeysError: the seed can't be unsealed now; no attempt is counted.
    """
    code = totp.read(typed)
    if code is None:
        raise FactorRefused("The code is wrong.")
    places = reserve(Attempt.SECOND_FACTOR, subject=person.subject, address=address, now=now)
    try:
        fault = _totp_fault(person, code, now=now)
    except KeysError:
        give_back(places)
        raise
    if fault:
        _refuse(person, Factor.TOTP, fault, places, realm=realm, address=address, now=now)
    give_back(places)
    return _METHODS


def _totp_fault(person: User, code: str, *, now: datetime) -> str:
    """What is wrong with a code, for the audit; "" where nothing is, and then it is spent."""
    row = confirmed_totp(person)
    if row is None:
        return "no_factor"
    step = totp.matching_step(seed_of(row), code, now=now)
    if step is None:
        return "wrong_code"
    unspent = TotpSecret.objects.filter(pk=row.pk, confirmed_at__isnull=False, last_step__lt=step)
    return "" if unspent.update(last_step=step, last_used_at=now) else "used"


def prove_recovery_code(
    *, person: User, typed: str, realm: Realm | None, address: str, now: datetime
) -> tuple[str, ...]:
    """Take one of a person's recovery codes, once.

    Arguments, returned value and errors are those of `prove_totp`.
    """
    code = recovery_codes.read(typed)
    if code is None:
        raise FactorRefused("The code is wrong.")
    places = reserve(Attempt.SECOND_FACTOR, subject=person.subject, address=address, now=now)
    digest = recovery_codes.digest_of(code, subject=person.subject)
    theirs = RecoveryCode.objects.filter(user=person, digest=digest)
    try:
        used = _spend_recovery_code(theirs, person, realm=realm, now=now)
    except KeysError:
        give_back(places)
        raise
    if not used:
        fault = "used" if theirs.exists() else "wrong_code"
        _refuse(person, Factor.RECOVERY_CODE, fault, places, realm=realm, address=address, now=now)
    give_back(places)
    return _METHODS


def _spend_recovery_code(found: QuerySet[RecoveryCode], person: User, *, realm: Realm | None, now: datetime) -> bool:
    with transaction.atomic():
        used = found.filter(used_at__isnull=True).update(used_at=now)
        if used:
            actor, left = f"user:{person.subject}", factors_of(person).recovery_codes
            name, told = EventName.RECOVERY_CODE_USED, FactorChange.CODE_USED
            record_change(name, person, told, realm=realm, actor=actor, now=now, left=left)
    return bool(used)


def prove_code(*, person: User, typed: str, realm: Realm | None, address: str, now: datetime) -> tuple[str, ...]:
    """Take a code of either kind; six digits are never a recovery code.

    Arguments, returned value and errors are those of `prove_totp`.
    """
    prove = prove_totp if recovery_codes.read(typed) is None else prove_recovery_code
    return prove(person=person, typed=typed, realm=realm, address=address, now=now)


def make_recovery_codes(*, person: User, actor: str, now: datetime, realm: Realm | None = None) -> tuple[str, ...]:
    """Make ten recovery codes in the place of all that there were.

    Arguments:
        person: whose.
        actor: opaque id of who does it, for the audit.
        now: aware time.
        realm: where; None for the operators' admin.

    Returns:
        The codes as people read them: this once, since digests alone are kept.

    Raises:
        FactorMissing: there is no second factor that they could stand in for.
    """
    codes = recovery_codes.new_codes()
    digests = [recovery_codes.digest_of(code, subject=person.subject) for code in codes]
    with transaction.atomic():
        hold_factors(person)
        if not factors_of(person).any:
            raise FactorMissing("There is no second factor.")
        replaced, _by_model = RecoveryCode.objects.filter(user=person).delete()
        told = FactorChange.CODES_REPLACED if replaced else None
        RecoveryCode.objects.bulk_create(RecoveryCode(user=person, digest=each, created_at=now) for each in digests)
        name = EventName.RECOVERY_CODES_MADE
        record_change(name, person, told, realm=realm, actor=actor, now=now, count=len(codes))
    return tuple(recovery_codes.shown(code) for code in codes)


def remove_totp(*, person: User, actor: str, now: datetime, reason: str = "", realm: Realm | None = None) -> bool:
    """Remove a person's authenticator app; where it was their last second factor, the recovery codes go too.

    Arguments:
        person: whose.
        actor: opaque id of who does it, for the audit.
        now: aware time.
        reason: the words of an operator.
        realm: where; None for the operators' admin.

    Returns:
        Whether there was one; one that was never confirmed is removed without an event.
    """
    with transaction.atomic():
        hold_factors(person)
        confirmed = confirmed_totp(person) is not None
        TotpSecret.objects.filter(user=person).delete()
        if confirmed:
            name, told, factor = EventName.FACTOR_REMOVED, FactorChange.APP_REMOVED, Factor.TOTP
            record_change(name, person, told, realm=realm, actor=actor, now=now, reason=reason, factor=factor)
            remove_stranded_recovery_codes(person=person, actor=actor, now=now, reason=reason, realm=realm)
    return confirmed


def purge_dead_enrolments(now: datetime) -> int:
    """Delete the seeds that nobody confirmed in time.

    Returns:
        How many were deleted.
    """
    dead = TotpSecret.objects.filter(confirmed_at__isnull=True, created_at__lt=now - ENROLMENT_LIFETIME)
    deleted, _by_model = dead.delete()
    return deleted


def _refuse(
    person: User,
    factor: Factor,
    fault: str,
    places: Sequence[Place],
    *,
    realm: Realm | None,
    address: str,
    now: datetime,
) -> None:
    """One event a refusal, and one more for the attempt that emptied a bucket; committed before the error.

    Raises:
        FactorRefused: always.
    """
    slug = realm.slug if realm else ""
    with transaction.atomic():
        key = personal_key(person, now=now)
        emptied = [(EventName.FACTOR_LIMITED, {"limit": place.budget.name}) for place in places if place.was_last]
        for name, details in [(EventName.FACTOR_REFUSED, {"factor": str(factor), "fault": fault}), *emptied]:
            record_about(
                person, Whereabouts(address), name,
                realm=slug, actor="", target=person.subject, now=now, sealed_key=key, details=details,
            )  # fmt: skip
    raise FactorRefused(fault)
