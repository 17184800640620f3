"""Whether somebody is who they say: one answer and one amount of work for everything that is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from accounts.acr import PASSWORD
from accounts.budget import ACCOUNT_AND_ADDRESS
from accounts.errors import HashingBusy, SignInRefused, TooManyAttempts
from accounts.models import User
from accounts.passwords import prepared
from accounts.selectors import Candidate, sign_in_candidate
from accounts.selectors.factors import is_whole
from accounts.services.attempts import Attempt, reserve, reserve_person
from accounts.services.personal import make_personal_key, record_about, seal_for_nobody
from accounts.services.places import Place, give_back
from accounts.whereabouts import NOWHERE, Whereabouts
from audit.vocabulary import EventName
from realms.models import Realm

_METHODS = (PASSWORD,)
# Shared, so that sign-ins don't wait for each other; another password is written under a lock that excludes it.
_HOLD = "SELECT signed_out_at FROM accounts_user WHERE id = %s AND is_active FOR SHARE"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who proved who they are.

    Attributes:
        person: their row.
        roles: what they are in the realm; empty where no realm was asked for.
        at: aware time of the proof (`auth_time`).
        methods: how it was proved (RFC 8176, `amr`).
    """

    person: User
    roles: tuple[str, ...]
    at: datetime
    methods: tuple[str, ...]


def sign_in(
    *, realm: Realm | None, username: str, password: str, address: str, now: datetime, user_agent: str = ""
) -> SignedIn:
    """Check a name, or a confirmed address, and a password.

    What was typed has its limit, which is told, and so has the person, which isn't: else whoever has used up the
    tries at a name would learn from the next one whose address it is. Over that limit nobody gets in, and the
    answer is that of a wrong password.

    Arguments:
        realm: the realm whose member the person has to be; None for the operators' admin.
        username: a name or an address, as given, in any form.
        password: never logged, never kept.
        address: the client's address, for the limits.
        now: aware time of the attempt.
        user_agent: what the person's program says that it is, for the audit; "" where it isn't known.

    Raises:
        TooManyAttempts: a limit is reached; nothing was hashed.
        SignInRefused: unknown name, wrong password, disabled, or no member of the realm.
        HashingBusy: this process hashes enough passwords already.
    """
    places = reserve(Attempt.PASSWORD, username=username, address=address, now=now)
    candidate = sign_in_candidate(username, realm=realm)
    subject = candidate.person.subject if candidate else ""
    theirs = reserve_person(username=username, subject=subject, address=address, now=now)
    since = candidate.person.signed_out_at if candidate else None
    try:
        matches = _password_matches(candidate, password)
    except HashingBusy:
        give_back((*places, *(theirs or ())))
        raise
    slug, whereabouts = realm.slug if realm else "", Whereabouts(address, user_agent)
    held = (*places, *(theirs or ()))
    fault = "limited" if candidate and theirs is None else _fault(candidate, matches=matches, realm=realm)
    if candidate is not None and not fault:
        with transaction.atomic():
            if _is_as_it_was(candidate.person, since):
                give_back(held)
                sealed_key = candidate.personal_key or make_personal_key(candidate.person, now=now)
                record_proof(
                    candidate.person, _METHODS, realm=realm, now=now, whereabouts=whereabouts, sealed_key=sealed_key
                )
                return SignedIn(candidate.person, candidate.roles or (), now, _METHODS)
        fault = "wrong_password"
    _record_refusal(candidate, fault, held, whereabouts, slug=slug, now=now)
    raise SignInRefused(fault)


def _is_as_it_was(person: User, since: datetime | None) -> bool:
    """Whether nothing ended what the person had while the password was hashed; nothing does until the transaction ends.

    Else whoever tries the old password again and again would once begin after the moment that ends all sign-ins of
    before, with the hash of before.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, [person.pk])
        row = cursor.fetchone()
    return row is not None and row[0] == since


def knows_password(person: User, password: str, *, whereabouts: Whereabouts, now: datetime) -> bool:
    """Whether somebody who is signed in knows their password: within the limits of a sign-in, which it is not.

    Arguments:
        password: as typed; never logged, never kept.
        whereabouts: where they are; the address counts for the limits.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: a limit is reached; nothing was hashed.
        HashingBusy: this process hashes enough passwords already.
    """
    username, address = person.username, whereabouts.address
    places = reserve(Attempt.PASSWORD, username=username, address=address, now=now)
    theirs = reserve_person(username=username, subject=person.subject, address=address, now=now)
    if theirs is None:
        raise TooManyAttempts(ACCOUNT_AND_ADDRESS.interval)
    held = (*places, *theirs)
    try:
        matches = person.check_password(password)
    except HashingBusy:
        give_back(held)
        raise
    if matches:
        give_back(held)
    else:
        candidate = sign_in_candidate(username, realm=None)
        _record_refusal(candidate, "wrong_password", held, whereabouts, slug="", now=now)
    return matches


def record_proof(
    person: User,
    methods: tuple[str, ...],
    *,
    realm: Realm | None,
    now: datetime,
    whereabouts: Whereabouts = NOWHERE,
    sealed_key: bytes | None = None,
    **more: str,
) -> None:
    """Append the event of a proof: the sign-in succeeded where it is whole, and has begun where more is due.

    Arguments:
        person: who proved who they are.
        methods: how, all of the sign-in so far.
        realm: where; None for the operators' admin.
        now: aware time of the proof.
        whereabouts, sealed_key: as in `record_about`.
        more: further details.
    """
    whole = is_whole(methods, person=person, realm=realm)
    record_about(
        person,
        whereabouts,
        EventName.SIGN_IN_SUCCEEDED if whole else EventName.SIGN_IN_BEGUN,
        realm=realm.slug if realm else "",
        actor=f"user:{person.subject}",
        target=person.subject,
        now=now,
        sealed_key=sealed_key,
        details={"methods": " ".join(methods), **more},
    )


def _password_matches(candidate: Candidate | None, password: str) -> bool:
    """Hash once, whoever it is, so that the time tells nothing."""
    if candidate is None:
        make_password(prepared(password))
        return False
    return candidate.person.check_password(password)


def _fault(candidate: Candidate | None, *, matches: bool, realm: Realm | None) -> str:
    """What is wrong, for the audit; "" where nothing is."""
    if candidate is None:
        return "unknown_name"
    if not matches:
        return "wrong_password"
    if not candidate.person.is_active:
        return "disabled"
    if realm is not None and candidate.roles is None:
        return "not_a_member"
    return ""


def _record_refusal(
    candidate: Candidate | None,
    fault: str,
    places: Sequence[Place],
    whereabouts: Whereabouts,
    *,
    slug: str,
    now: datetime,
) -> None:
    """One event a refusal, and one more for the attempt that emptied a bucket; later ones leave none.

    Where the attempt came from is kept for the person whose name it was, if they have a key: to make one would take
    longer than a name takes that nobody has, and of that one nothing is kept.
    """
    limits = sorted({place.budget.name for place in places if place.was_last})
    emptied = [(EventName.SIGN_IN_LIMITED, {"limit": limit}) for limit in limits]
    person, sealed_key = (candidate.person, candidate.personal_key) if candidate else (None, None)
    if person is None:
        seal_for_nobody(whereabouts, now=now)
    target = person.subject if person else ""
    with transaction.atomic():
        for name, details in [(EventName.SIGN_IN_REFUSED, {"fault": fault}), *emptied]:
            record_about(
                person, whereabouts, name,
                realm=slug, actor="", target=target, now=now, sealed_key=sealed_key, details=details,
            )  # fmt: skip
