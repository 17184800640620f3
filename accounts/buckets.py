"""Which bucket of which limit an attempt takes from: what each limit counts by, and the bucket's key."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.crypto import salted_hmac

from accounts import budget
from accounts.addresses import address_block
from accounts.budget import Budget
from accounts.names import canonical


class CountsBy(StrEnum):
    """Whose attempts a limit counts together; in words for an operator."""

    NAME = "this name"  # whether somebody has it or not
    PERSON = "this person"
    ADDRESS = "this address"
    NAME_AND_ADDRESS = "this name from this address"
    ANY_SPELLING = "this person, by name or by address"
    ANY_SPELLING_AND_ADDRESS = "this person, by name or by address, from this address"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, and what it is on.

    Attributes:
        budget: how many attempts, and how fast they come back.
        counts_by: whose are counted together.
        on: what is tried, in words for an operator.
    """

    budget: Budget
    counts_by: CountsBy
    on: str


LIMITS = (
    Limit(budget.ACCOUNT_AND_ADDRESS, CountsBy.NAME_AND_ADDRESS, "passwords"),
    Limit(budget.ACCOUNT, CountsBy.NAME, "passwords"),
    Limit(budget.ACCOUNT_AND_ADDRESS, CountsBy.ANY_SPELLING_AND_ADDRESS, "passwords"),
    Limit(budget.ACCOUNT, CountsBy.ANY_SPELLING, "passwords"),
    Limit(budget.ADDRESS, CountsBy.ADDRESS, "passwords and registrations"),
    Limit(budget.REGISTRATION, CountsBy.ADDRESS, "registrations"),
    Limit(budget.MAIL_RECIPIENT_AND_ADDRESS, CountsBy.NAME_AND_ADDRESS, "mails to this address"),
    Limit(budget.MAIL_RECIPIENT, CountsBy.NAME, "mails to this address"),
    Limit(budget.MAIL_ADDRESS, CountsBy.ADDRESS, "mails that are asked for"),
    Limit(budget.USER_CODE_PERSON, CountsBy.PERSON, "user codes of devices"),
    Limit(budget.USER_CODE_ADDRESS, CountsBy.ADDRESS, "user codes of devices"),
    Limit(budget.SECOND_FACTOR_PERSON, CountsBy.PERSON, "second factors"),
    Limit(budget.SECOND_FACTOR_PERSON_SLOWLY, CountsBy.PERSON, "second factors, over days"),
    Limit(budget.SECOND_FACTOR_ADDRESS, CountsBy.ADDRESS, "second factors"),
    Limit(budget.PASSKEY_ADDRESS, CountsBy.ADDRESS, "passkeys"),
    Limit(budget.UPSTREAM_ADDRESS, CountsBy.ADDRESS, "ways to upstream providers"),
    Limit(budget.DEVICE_ADDRESS, CountsBy.ADDRESS, "devices that ask"),
)


@dataclass(frozen=True, slots=True)
class Whose:
    """Somebody or somewhere that attempts come from; "" for what isn't known.

    Attributes:
        username: in any spelling.
        subject: of the person who has the name.
        address: an IP address.
    """

    username: str = ""
    subject: str = ""
    address: str = ""


def bucket_key(budget: Budget, text: str) -> bytes:
    """The key of a bucket: an HMAC, so that no name and no address is stored.

    Arguments:
        text: what the limit counts by.
    """
    return salted_hmac(f"signet.attempts.{budget.name}", text, algorithm="sha256").digest()


def counted_text(counts_by: CountsBy, whose: Whose) -> str | None:
    """What a limit counts these attempts by; None where too little is known."""
    account = canonical(whose.username)
    block = address_block(whose.address) if whose.address else ""
    match counts_by:
        case CountsBy.NAME:
            text = account
        case CountsBy.PERSON:
            text = whose.subject
        case CountsBy.ADDRESS:
            text = block
        case CountsBy.NAME_AND_ADDRESS:
            text = f"{account}\0{block}" if account and block else ""
        case CountsBy.ANY_SPELLING:
            text = _person_or_nobody(whose)
        case CountsBy.ANY_SPELLING_AND_ADDRESS:
            somebody = _person_or_nobody(whose)
            text = f"{somebody}\0{block}" if somebody and block else ""
    return text or None


def _person_or_nobody(whose: Whose) -> str:
    """A person, or a name that nobody has, at the same cost."""
    if whose.subject:
        return f"person\0{whose.subject}"
    return f"nobody\0{canonical(whose.username)}" if whose.username else ""


def buckets_of(whose: Whose) -> dict[bytes, Limit]:
    """The key of each bucket that these attempts take from, and its limit."""
    texts = ((limit, counted_text(limit.counts_by, whose)) for limit in LIMITS)
    return {bucket_key(limit.budget, text): limit for limit, text in texts if text is not None}
