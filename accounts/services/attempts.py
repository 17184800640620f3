"""Which buckets an attempt takes a place in, by what is attempted (figures: accounts/budget.py)."""

from collections.abc import Sequence
from datetime import datetime

from accounts.addresses import address_block
from accounts.buckets import CountsBy, Whose, counted_text
from accounts.budget import (
    ACCOUNT,
    ACCOUNT_AND_ADDRESS,
    ADDRESS,
    DEVICE_ADDRESS,
    MAIL_ADDRESS,
    MAIL_RECIPIENT,
    MAIL_RECIPIENT_AND_ADDRESS,
    PASSKEY_ADDRESS,
    PASSKEY_CHALLENGE,
    REGISTRATION,
    SECOND_FACTOR_ADDRESS,
    SECOND_FACTOR_PERSON,
    SECOND_FACTOR_PERSON_SLOWLY,
    UPSTREAM_ADDRESS,
    USER_CODE_ADDRESS,
    USER_CODE_PERSON,
    Budget,
)
from accounts.errors import TooManyAttempts
from accounts.names import canonical
from accounts.services.places import Place, take_places


def reserve(*, username: str, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one attempt, before any password is hashed, so that parallel guesses count too.

    The account's own bucket comes last: an address that is out of attempts takes nothing from it. A
    refused attempt takes nothing from any.

    Arguments:
        username: the name as given; names that nobody has are counted alike.
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    account, block = canonical(username), address_block(address)
    return take_places(((ACCOUNT_AND_ADDRESS, f"{account}\0{block}"), (ADDRESS, block), (ACCOUNT, account)), now=now)


def reserve_person(*, username: str, subject: str, address: str, now: datetime) -> Sequence[Place] | None:
    """Reserve a place at the person behind a spelling as well, so that a name and an address are no two accounts.

    An empty bucket is not told: who may try another spelling and meets the limit at once would learn whose it is.

    Arguments:
        username: the name as given.
        subject: of whom it belongs to; "" for nobody, whose spelling stands for them at the same cost.
        address: the client's address.
        now: aware time of the attempt.

    Returns:
        The places; None where a bucket is empty, and then nothing was taken.
    """
    whose = Whose(username=username, subject=subject, address=address)
    counted = (
        (ACCOUNT_AND_ADDRESS, CountsBy.ANY_SPELLING_AND_ADDRESS),
        (ACCOUNT, CountsBy.ANY_SPELLING),
    )
    try:
        return take_places([(budget, counted_text(by, whose) or "") for budget, by in counted], now=now)
    except TooManyAttempts:
        return None


def reserve_mail(*, email: str, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one mail that somebody asks for, whether anybody has the mailbox or not.

    Arguments:
        email: where it would go.
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    return take_places(_mail_buckets(email, address_block(address)), now=now)


def reserve_registration(*, address: str, now: datetime, email: str = "") -> Sequence[Place]:
    """Reserve a place for one attempt to register: it counts against the address alone, nobody's account.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.
        email: the mailbox that is written to; "" for none.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    block = address_block(address)
    mails = _mail_buckets(email, block) if email else ()
    return take_places(((REGISTRATION, block), (ADDRESS, block), *mails), now=now)


def _mail_buckets(email: str, block: str) -> Sequence[tuple[Budget, str]]:
    """The mailbox's own bucket comes last, as an account's does."""
    mailbox = canonical(email)
    return (
        (MAIL_RECIPIENT_AND_ADDRESS, f"{mailbox}\0{block}"),
        (MAIL_ADDRESS, block),
        (MAIL_RECIPIENT, mailbox),
    )


def reserve_user_code(*, subject: str, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one user code that a person types (RFC 8628 §5.1).

    Arguments:
        subject: of the person who is signed in.
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    return take_places(((USER_CODE_ADDRESS, address_block(address)), (USER_CODE_PERSON, subject)), now=now)


def reserve_device(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one device that asks for codes: each leaves a row, and public clients prove nothing.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return take_places(((DEVICE_ADDRESS, address_block(address)),), now=now)


def reserve_upstream(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one browser that leaves for an upstream provider, of which something is remembered.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return take_places(((UPSTREAM_ADDRESS, address_block(address)),), now=now)


def reserve_second_factor(*, subject: str, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one code of a second factor, before it is looked at.

    The person's buckets hold for all their factors together. Only who passed the first part of a sign-in, or is
    signed in, comes to them: nobody else can empty them.

    Arguments:
        subject: of the person.
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: a bucket is empty.
    """
    return take_places(
        (
            (SECOND_FACTOR_ADDRESS, address_block(address)),
            (SECOND_FACTOR_PERSON_SLOWLY, subject),
            (SECOND_FACTOR_PERSON, subject),
        ),
        now=now,
    )


def reserve_passkey_challenge(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one who asks for a passkey's challenge: it may leave the row of a cookie.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return take_places(((PASSKEY_ADDRESS, address_block(address)),), now=now)


def reserve_passkey(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one answer of a passkey, before any signature is checked. It names no account yet.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return take_places(((ADDRESS, address_block(address)),), now=now)


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
        take_places(((PASSKEY_CHALLENGE, challenge.hex()),), now=now)
    except TooManyAttempts:
        return False
    return True
