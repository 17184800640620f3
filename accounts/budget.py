"""How many attempts are left: the generic cell rate algorithm on one moment a bucket (ITU-T I.371, Annex A).

A bucket is described by the moment at which it is full again. Every attempt moves that moment one
interval ahead, and an attempt that would move it further than the whole bucket is refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on attempts.

    Attributes:
        name: what the limit is on; part of the bucket's key, so never renamed lightly.
        burst: how many attempts a full bucket allows at once.
        interval: after which one attempt comes back.
    """

    name: str
    burst: int
    interval: timedelta

    @property
    def span(self) -> timedelta:
        """How long an empty bucket takes to be full."""
        return self.burst * self.interval


# One address guesses at one account: 10 tries, then one a minute.
ACCOUNT_AND_ADDRESS = Budget("account-address", burst=10, interval=timedelta(minutes=1))
# One address guesses at many accounts; an office behind one address still gets in.
ADDRESS = Budget("address", burst=100, interval=timedelta(seconds=6))
# Many addresses guess at one account. It refills three times as fast as one address can empty it, so
# that a single address never locks another person out.
ACCOUNT = Budget("account", burst=60, interval=timedelta(seconds=20))
# One address makes accounts, and asks which names are taken: a class of 50 at once, then 720 a day.
REGISTRATION = Budget("registration", burst=50, interval=timedelta(minutes=2))
# One network address has mails sent: an office may forget its passwords, nobody floods the mail server.
MAIL_ADDRESS = Budget("mail-address", burst=30, interval=timedelta(minutes=2))
# One network address has mails sent to one mailbox.
MAIL_RECIPIENT_AND_ADDRESS = Budget("mail-recipient-address", burst=5, interval=timedelta(minutes=15))
# Many do. It refills three times as fast as one address can empty it, so that nobody keeps a mailbox's owner from
# the mail with which they choose another password.
MAIL_RECIPIENT = Budget("mail-recipient", burst=15, interval=timedelta(minutes=5))

# One person guesses at user codes (RFC 8628 §5.1). Of 20^8 codes they try some twenty while one lives.
USER_CODE_PERSON = Budget("user-code-person", burst=10, interval=timedelta(minutes=1))
# One address guesses with many accounts; a code that was right costs nothing, so an office gets on.
USER_CODE_ADDRESS = Budget("user-code-address", burst=30, interval=timedelta(seconds=20))
# One address has devices ask: each leaves a row for a while, and makes a guess at a code likelier to hit.
DEVICE_ADDRESS = Budget("device-address", burst=100, interval=timedelta(seconds=6))

# One person's second factors are guessed at. A guess hits one of three codes in a million, so a guess a minute
# would succeed within a year more often than not: whoever guesses on and on comes down to one an hour, which is
# 24 a day, one chance in 14,000 a day and one in 38 a year. A slip of the finger costs nobody their day.
SECOND_FACTOR_PERSON = Budget("second-factor-person", burst=5, interval=timedelta(minutes=1))
SECOND_FACTOR_PERSON_SLOWLY = Budget("second-factor-person-slowly", burst=50, interval=timedelta(hours=1))
# One address guesses at many people, with as many passwords in hand.
SECOND_FACTOR_ADDRESS = Budget("second-factor-address", burst=30, interval=timedelta(seconds=20))
# One address asks for a passkey's challenge: each may leave the row of a cookie, for hours.
PASSKEY_ADDRESS = Budget("passkey-address", burst=300, interval=timedelta(seconds=2))
# A passkey's challenge is answered once: the second who takes it finds the bucket empty, until long after its end.
PASSKEY_CHALLENGE = Budget("passkey-challenge", burst=1, interval=timedelta(minutes=15))
# One address leaves for upstream providers: each time this provider remembers it, and may have to ask them.
UPSTREAM_ADDRESS = Budget("upstream-address", burst=100, interval=timedelta(seconds=6))


def after_attempt(budget: Budget, full_at: datetime | None, now: datetime) -> datetime | None:
    """Where a bucket stands after one more attempt.

    The service's upsert says the same in SQL; a test holds the two together.

    Arguments:
        full_at: when the bucket is full again; None for one that nobody used.

    Returns:
        The new moment, or None where the attempt is refused.
    """
    moved = max(full_at or now, now) + budget.interval
    return moved if moved <= now + budget.span else None


def attempts_left(budget: Budget, full_at: datetime | None, now: datetime) -> int:
    """How many attempts there are at this moment.

    Arguments:
        full_at: when the bucket is full again; None for one that nobody used.
    """
    return max((now + budget.span - max(full_at or now, now)) // budget.interval, 0)


def retry_after(budget: Budget, full_at: datetime, now: datetime) -> timedelta:
    """How long a refused attempt has to wait; a second at least.

    Arguments:
        full_at: when the bucket is full again.
    """
    return max(full_at + budget.interval - budget.span - now, timedelta(seconds=1))


def is_exhausted(budget: Budget, full_at: datetime, now: datetime) -> bool:
    """Whether the next attempt would be refused."""
    return after_attempt(budget, full_at, now) is None
