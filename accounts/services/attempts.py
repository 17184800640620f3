"""What is attempted, and which buckets each attempt takes a place in (figures: accounts/budget.py)."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

from accounts import budget
from accounts.addresses import UNKNOWN
from accounts.buckets import CountsBy, Whose, counted_text
from accounts.errors import TooManyAttempts
from accounts.services.places import Place, take_places

_MAIL = (
    (budget.MAIL_RECIPIENT_AND_ADDRESS, CountsBy.NAME_AND_ADDRESS),
    (budget.MAIL_ADDRESS, CountsBy.ADDRESS),
    (budget.MAIL_RECIPIENT, CountsBy.NAME),
)
_REGISTRATION = ((budget.REGISTRATION, CountsBy.ADDRESS), (budget.ADDRESS, CountsBy.ADDRESS))


class Attempt(Enum):
    """What is attempted, with the buckets in the order in which their places are taken.

    The own bucket of whoever it is about comes last: an address that is out of attempts takes nothing from it.
    """

    PASSWORD = (
        (budget.ACCOUNT_AND_ADDRESS, CountsBy.NAME_AND_ADDRESS),
        (budget.ADDRESS, CountsBy.ADDRESS),
        (budget.ACCOUNT, CountsBy.NAME),
    )
    # Beside it, so that a name and an address are no two accounts.
    PASSWORD_BY_ANY_SPELLING = (
        (budget.ACCOUNT_AND_ADDRESS, CountsBy.ANY_SPELLING_AND_ADDRESS),
        (budget.ACCOUNT, CountsBy.ANY_SPELLING),
    )
    # The person's hold for all their factors together. Only who passed the first part of a sign-in, or is signed in,
    # comes to them: nobody else can empty them.
    SECOND_FACTOR = (
        (budget.SECOND_FACTOR_ADDRESS, CountsBy.ADDRESS),
        (budget.SECOND_FACTOR_PERSON_SLOWLY, CountsBy.PERSON),
        (budget.SECOND_FACTOR_PERSON, CountsBy.PERSON),
    )
    PASSKEY = ((budget.ADDRESS, CountsBy.ADDRESS),)  # an answer names no account before its signature is checked
    PASSKEY_CHALLENGE = ((budget.PASSKEY_ADDRESS, CountsBy.ADDRESS),)  # asking for one may leave the row of a cookie
    MAIL = _MAIL  # that somebody asks for, whether anybody has the mailbox or not
    REGISTRATION = _REGISTRATION  # nobody's account
    REGISTRATION_WITH_MAIL = (*_REGISTRATION, *_MAIL)
    # RFC 8628 §5.1
    USER_CODE = ((budget.USER_CODE_ADDRESS, CountsBy.ADDRESS), (budget.USER_CODE_PERSON, CountsBy.PERSON))
    DEVICE = ((budget.DEVICE_ADDRESS, CountsBy.ADDRESS),)  # each leaves a row, and public clients prove nothing
    UPSTREAM = ((budget.UPSTREAM_ADDRESS, CountsBy.ADDRESS),)  # something is remembered of each who leaves


def reserve(attempt: Attempt, *, address: str, now: datetime, username: str = "", subject: str = "") -> Sequence[Place]:
    """Reserve a place for one attempt, before anything is hashed or looked at, so that parallel guesses count too.

    A refused attempt takes nothing from any bucket.

    Arguments:
        attempt: what it is.
        address: the client's address.
        now: aware time of the attempt.
        username: the name or the mailbox as given, where it is about one; those that nobody has are counted alike.
        subject: of the person, where it is about one.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    whose = Whose(username=username, subject=subject, address=address or UNKNOWN)
    return take_places([(limit, counted_text(by, whose) or "") for limit, by in attempt.value], now=now)


def reserve_person(*, username: str, subject: str, address: str, now: datetime) -> Sequence[Place] | None:
    """Reserve a place at the person behind a spelling as well.

    An empty bucket is not told: who may try another spelling and meets the limit at once would learn whose it is.

    Arguments:
        username: the name as given.
        subject: of whom it belongs to; "" for nobody, whose spelling stands for them at the same cost.
        address: the client's address.
        now: aware time of the attempt.

    Returns:
        The places; None where a bucket is empty, and then nothing was taken.
    """
    attempt = Attempt.PASSWORD_BY_ANY_SPELLING
    try:
        return reserve(attempt, username=username, subject=subject, address=address, now=now)
    except TooManyAttempts:
        return None


def spend_challenge(challenge: bytes, *, now: datetime) -> bool:
    """Take a passkey's challenge for one answer, whichever worker is asked and however many ask at once.

    A cookie's session can't say so: two who read it at once both find the challenge in it.

    Arguments:
        challenge: its random bytes.
        now: aware time of the answer.

    Returns:
        Whether this call took it.
    """
    try:
        take_places(((budget.PASSKEY_CHALLENGE, challenge.hex()),), now=now)
    except TooManyAttempts:
        return False
    return True
