"""Second factors for tests: an authenticator app with a seed that the test knows, and recovery codes."""

import uuid
from datetime import datetime

from accounts import totp
from accounts.models import Passkey, User
from accounts.services.second_factors import begin_totp, confirm_totp, make_recovery_codes


def give_totp(person: User, now: datetime) -> bytes:
    """Set up an authenticator app, confirmed at a moment: the codes of then and before are spent. Returns its seed."""
    begun = begin_totp(person=person, now=now)
    confirm_totp(person=person, enrolment=begun.id, typed=fitting(begun.seed, now), actor="test", now=now)
    return begun.seed


def codes_of(person: User, now: datetime) -> tuple[str, ...]:
    """Set up an authenticator app, and recovery codes beside it."""
    give_totp(person, now)
    return make_recovery_codes(person=person, actor="test", now=now)


def add_passkey(person: User, now: datetime) -> Passkey:
    """A passkey that answers nothing, but counts."""
    key = uuid.uuid4().bytes
    return Passkey.objects.create(user=person, name="Laptop", credential_id=key, credential=key, created_at=now)


def fitting(seed: bytes, now: datetime, *, off: int = 0) -> str:
    """The code of a moment, or of a step before or after it."""
    return totp.code_at(seed, totp.step_at(now) + off)


def wrong(seed: bytes, now: datetime) -> str:
    """A code that fits no step near a moment."""
    right = {fitting(seed, now, off=off) for off in range(-3, 4)}
    return next(code for code in ("000000", *map(str, range(100_000, 100_010))) if code not in right)
