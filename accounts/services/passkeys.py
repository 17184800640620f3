"""Passkeys are added, named and removed; and somebody proves who they are with one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.errors import FactorExists, FactorRefused, PasskeyRefused, SignInRefused, TooManyPasskeys
from accounts.models import Passkey, User
from accounts.passkey_answers import Asserted, read_asserted, read_attested
from accounts.passkeys import RelyingParty, check_asserted, check_attested, check_passkey_name
from accounts.selectors.passkeys import PasskeyCandidate, passkey_candidate
from accounts.services.attempts import Attempt, reserve, spend_challenge
from accounts.services.factor_changes import hold_factors, record_change, remove_stranded_recovery_codes
from accounts.services.personal import personal_key, record_about, sealed_key_of
from accounts.services.places import Place, give_back
from accounts.services.presence import noticing_deletion
from accounts.services.sign_in import SignedIn, record_proof
from accounts.vocabulary import Factor, FactorChange
from accounts.whereabouts import Whereabouts
from audit.services import record
from audit.vocabulary import EventName
from realms.models import Realm

MAX_PASSKEYS = 20  # a browser is told of each of them when it makes another


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a browser.

    Attributes:
        text: JSON, however hostile.
        challenge: that it has to answer; None where the browser holds none.
        party: whom the passkey has to be made for.
        whereabouts: the address and the program that it came from; the address counts for the limits.
    """

    text: str
    challenge: bytes | None
    party: RelyingParty
    whereabouts: Whereabouts


def sign_in_with_passkey(answer: Answer, *, realm: Realm, now: datetime) -> SignedIn:
    """Check who it is, by a passkey alone: its device has to have verified its user.

    Arguments:
        answer: to a challenge for nobody in particular.
        realm: the realm whose member the person has to be.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the limit is reached; nothing was checked.
        SignInRefused: whatever was wrong.
    """
    places = reserve(Attempt.PASSKEY, address=answer.whereabouts.address, now=now)
    candidate: PasskeyCandidate | None = None
    try:
        challenge, asserted = _spend(answer, now=now), read_asserted(answer.text)
        candidate = passkey_candidate(asserted.credential_id, realm=realm)
        methods = _prove(answer, challenge, asserted, candidate, alone=True, realm=realm, now=now)
    except PasskeyRefused as error:
        whose = candidate.passkey.user if candidate else None
        names = EventName.SIGN_IN_REFUSED, EventName.SIGN_IN_LIMITED
        _record_refusal(error, names, answer, whose, places, realm=realm, now=now)
        raise SignInRefused(error.fault) from error
    assert candidate is not None  # noqa: S101  (proved)
    person = candidate.passkey.user
    with transaction.atomic():
        give_back(places)
        sealed_key, whereabouts = personal_key(person, now=now), answer.whereabouts
        record_proof(person, methods, realm=realm, now=now, whereabouts=whereabouts, sealed_key=sealed_key)
    return SignedIn(person, candidate.roles or (), now, methods)


def prove_passkey(answer: Answer, *, person: User, realm: Realm | None, now: datetime) -> tuple[str, ...]:
    """Check a passkey as a second factor; something else has said already who it is.

    Arguments:
        answer: to a challenge for this person.
        person: who passed the first part, or is signed in.
        realm: where; they have to be a member of it. None for the operators' admin, which asks for none.
        now: aware time of the attempt.

    Returns:
        How it was proved; `accounts.acr.joined` adds it to the first part.

    Raises:
        TooManyAttempts: the limit is reached; nothing was checked.
        FactorRefused: whatever was wrong.
    """
    places = reserve(Attempt.PASSKEY, address=answer.whereabouts.address, now=now)
    try:
        challenge, asserted = _spend(answer, now=now), read_asserted(answer.text)
        candidate = passkey_candidate(asserted.credential_id, realm=realm)
        theirs = candidate if candidate and candidate.passkey.user_id == person.pk else None
        methods = _prove(answer, challenge, asserted, theirs, alone=False, realm=realm, now=now)
    except PasskeyRefused as error:
        names = EventName.FACTOR_REFUSED, EventName.FACTOR_LIMITED
        _record_refusal(error, names, answer, person, places, realm=realm, now=now)
        raise FactorRefused(error.fault) from error
    give_back(places)
    return methods


def add_passkey(
    answer: Answer,
    *,
    person: User,
    name: str,
    actor: str,
    now: datetime,
    only_first: bool = False,
    realm: Realm | None = None,
) -> None:
    """Register a new passkey of a person.

    Arguments:
        answer: to a challenge for this person.
        person: whose it will be.
        name: by which they know it, as given.
        actor: opaque id of who does it, for the audit.
        now: aware time.
        only_first: as in `hold_factors`.
        realm: where; None for the operators' admin.

    Raises:
        NameRefused: the name has a form that none may have; the challenge is spent all the same.
        PasskeyRefused: the answer doesn't hold.
        TooManyPasskeys: they have as many as one may have.
        FactorExists: it is registered already; or `only_first`, and there is a second factor.
        PersonGone: they were deleted in this moment.
    """
    passkey = _attested(answer, person=person, name=name, now=now)
    with noticing_deletion(person), transaction.atomic():
        hold_factors(person, only_first=only_first)
        if Passkey.objects.filter(user=person).count() >= MAX_PASSKEYS:
            raise TooManyPasskeys("There are as many passkeys as one may have.")
        try:
            with transaction.atomic():
                passkey.save(force_insert=True)
        except IntegrityError as error:
            raise FactorExists("The passkey is registered already.") from error
        event, told, key = EventName.FACTOR_ADDED, FactorChange.PASSKEY_ADDED, str(passkey.pk)
        record_change(event, person, told, realm=realm, actor=actor, now=now, factor=Factor.PASSKEY, passkey=key)


def _attested(answer: Answer, *, person: User, name: str, now: datetime) -> Passkey:
    """The row of a new passkey, not saved; no transaction waits for the check."""
    challenge = _spend(answer, now=now)
    attested = read_attested(answer.text)
    check_attested(attested, party=answer.party, challenge=challenge)
    return Passkey(
        user=person,
        name=check_passkey_name(name),
        credential_id=attested.credential.credential_id,
        credential=bytes(attested.credential),
        sign_count=attested.data.counter,
        backup_eligible=attested.data.is_backup_eligible(),
        transports=list(attested.transports),
        created_at=now,
    )


def rename_passkey(passkey: Passkey, *, name: str) -> None:
    """Give a passkey another name.

    Arguments:
        passkey: its row; removed meanwhile or not.
        name: as given.

    Raises:
        NameRefused: it has a form that none may have.
    """
    Passkey.objects.filter(pk=passkey.pk).update(name=check_passkey_name(name))


def remove_passkey(
    passkey: Passkey, *, actor: str, now: datetime, reason: str = "", realm: Realm | None = None
) -> bool:
    """Remove a passkey; where it was the last second factor, the recovery codes go too.

    Arguments:
        passkey: its row; removed already or not.
        actor: opaque id of who does it, for the audit.
        now: aware time.
        reason: the words of an operator.
        realm: where; None for the operators' admin.

    Returns:
        Whether this call removed it.
    """
    person = passkey.user
    with transaction.atomic():
        hold_factors(person)
        deleted, _by_model = Passkey.objects.filter(pk=passkey.pk).delete()
        if deleted:
            name, told = EventName.FACTOR_REMOVED, FactorChange.PASSKEY_REMOVED
            factor, key = Factor.PASSKEY, str(passkey.pk)
            record_change(
                name, person, told, realm=realm, actor=actor, now=now, reason=reason, factor=factor, passkey=key
            )
            remove_stranded_recovery_codes(person=person, actor=actor, now=now, reason=reason, realm=realm)
    return bool(deleted)


def _spend(answer: Answer, *, now: datetime) -> bytes:
    """The challenge, taken before anything is read: a second answer to it finds none."""
    if answer.challenge is None or not spend_challenge(answer.challenge, now=now):
        raise PasskeyRefused("challenge_over")
    return answer.challenge


def _prove(
    answer: Answer,
    challenge: bytes,
    asserted: Asserted,
    candidate: PasskeyCandidate | None,
    *,
    alone: bool,
    realm: Realm | None,
    now: datetime,
) -> tuple[str, ...]:
    """How it was proved, once the counter is taken.

    Raises:
        PasskeyRefused: it doesn't hold, or its person may not sign in here.
    """
    if candidate is None:
        raise PasskeyRefused("unknown_passkey")
    passkey = candidate.passkey
    proof = check_asserted(
        asserted,
        party=answer.party,
        challenge=challenge,
        credential=bytes(passkey.credential),
        backup_eligible=passkey.backup_eligible,
        subject=passkey.user.subject,
        alone=alone,
    )
    if not passkey.user.is_active:
        raise PasskeyRefused("disabled")
    if realm is not None and candidate.roles is None:
        raise PasskeyRefused("not_a_member")
    _count(passkey, proof.sign_count, realm=realm, now=now)
    return proof.methods


def _count(passkey: Passkey, counter: int, *, realm: Realm | None, now: datetime) -> None:
    """Take the authenticator's counter, if it went on: one that went back may be a copy's (§6.1.1).

    Raises:
        PasskeyRefused: it didn't; that is recorded.
    """
    goes_on = Q(sign_count__lt=counter) if counter else Q(sign_count=0)  # nought both times: it doesn't count
    if Passkey.objects.filter(goes_on, pk=passkey.pk).update(sign_count=counter, last_used_at=now):
        return
    details = {"passkey": str(passkey.pk)}
    target, slug = passkey.user.subject, realm.slug if realm else ""
    record(EventName.PASSKEY_COUNTER_WENT_BACK, realm=slug, actor="", target=target, now=now, details=details)
    raise PasskeyRefused("counter_went_back")


def _record_refusal(
    error: PasskeyRefused,
    names: tuple[EventName, EventName],
    answer: Answer,
    person: User | None,
    places: Sequence[Place],
    *,
    realm: Realm | None,
    now: datetime,
) -> None:
    """One event a refusal, and one more for the attempt that emptied a bucket; later ones leave none.

    Where the attempt came from is kept for the person whose passkey it was, if they have a key.
    """
    told = {"factor": Factor.PASSKEY.value, "fault": error.fault, **({"detail": error.detail} if error.detail else {})}
    limits = [(names[1], {"limit": place.budget.name}) for place in places if place.was_last]
    slug, sealed_key = realm.slug if realm else "", sealed_key_of(person) if person else None
    target = person.subject if person else ""
    with transaction.atomic():
        for name, details in [(names[0], told), *limits]:
            record_about(
                person, answer.whereabouts, name,
                realm=slug, actor="", target=target, now=now, sealed_key=sealed_key, details=details,
            )  # fmt: skip
