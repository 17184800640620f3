"""Taking places in the buckets of the limits: one conditional upsert a bucket (rules: accounts/budget.py)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from accounts.addresses import address_block
from accounts.buckets import CountsBy, Whose, bucket_key, counted_text
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
    is_exhausted,
    retry_after,
)
from accounts.errors import TooManyAttempts
from accounts.names import canonical

_TAKE = """
    INSERT INTO accounts_attemptbudget AS bucket (key, full_at) VALUES (%(key)s, %(now)s + %(interval)s)
    ON CONFLICT (key) DO UPDATE SET full_at = GREATEST(bucket.full_at, %(now)s) + %(interval)s
    WHERE GREATEST(bucket.full_at, %(now)s) + %(interval)s <= %(now)s + %(span)s
    RETURNING full_at
"""
_FULL_AT = "SELECT full_at FROM accounts_attemptbudget WHERE key = %s"
_GIVE_BACK = "UPDATE accounts_attemptbudget SET full_at = full_at - %s WHERE key = %s"
_PURGE = """
    DELETE FROM accounts_attemptbudget WHERE key IN
        (SELECT key FROM accounts_attemptbudget WHERE full_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_PURGE_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Place:
    """A place that an attempt holds: the bucket it came from, and whether it was the last one."""

    budget: Budget
    key: bytes
    was_last: bool


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
    return _reserve(((ACCOUNT_AND_ADDRESS, f"{account}\0{block}"), (ADDRESS, block), (ACCOUNT, account)), now=now)


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
        return _reserve([(budget, counted_text(by, whose) or "") for budget, by in counted], now=now)
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
    return _reserve(_mail_buckets(email, address_block(address)), now=now)


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
    return _reserve(((REGISTRATION, block), (ADDRESS, block), *mails), now=now)


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
    return _reserve(((USER_CODE_ADDRESS, address_block(address)), (USER_CODE_PERSON, subject)), now=now)


def reserve_device(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one device that asks for codes: each leaves a row, and public clients prove nothing.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return _reserve(((DEVICE_ADDRESS, address_block(address)),), now=now)


def reserve_upstream(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one browser that leaves for an upstream provider, of which something is remembered.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return _reserve(((UPSTREAM_ADDRESS, address_block(address)),), now=now)


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
    return _reserve(
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
    return _reserve(((PASSKEY_ADDRESS, address_block(address)),), now=now)


def reserve_passkey(*, address: str, now: datetime) -> Sequence[Place]:
    """Reserve a place for one answer of a passkey, before any signature is checked. It names no account yet.

    Arguments:
        address: the client's address.
        now: aware time of the attempt.

    Raises:
        TooManyAttempts: the bucket is empty.
    """
    return _reserve(((ADDRESS, address_block(address)),), now=now)


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
        _reserve(((PASSKEY_CHALLENGE, challenge.hex()),), now=now)
    except TooManyAttempts:
        return False
    return True


def _reserve(buckets: Sequence[tuple[Budget, str]], *, now: datetime) -> Sequence[Place]:
    """A place in each bucket or in none; every attempt takes them in the same order, so that none waits in a circle."""
    with transaction.atomic():
        return [_take(budget, bucket_key(budget, text), now) for budget, text in buckets]


def _take(budget: Budget, key: bytes, now: datetime) -> Place:
    parameters: dict[str, Any] = {"key": key, "now": now, "interval": budget.interval, "span": budget.span}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, parameters)
        row = cursor.fetchone()
        if row is not None:
            return Place(budget, key, is_exhausted(budget, row[0], now))
        cursor.execute(_FULL_AT, [key])
        full_at: datetime = cursor.fetchone()[0]
    raise TooManyAttempts(retry_after(budget, full_at, now))


def give_back(places: Sequence[Place]) -> None:
    """Return the places of an attempt that was no guess: the person is who they said."""
    with connection.cursor() as cursor:
        for place in places:
            parameters: list[Any] = [place.budget.interval, place.key]
            cursor.execute(_GIVE_BACK, parameters)


def purge_full_budgets(now: datetime) -> int:
    """Delete the buckets that are full again, which is what a bucket that isn't there is too.

    Returns:
        How many were deleted.
    """
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PURGE, [now, _PURGE_BATCH])
            batch: int = cursor.rowcount
        deleted += batch
        if batch < _PURGE_BATCH:
            return deleted
