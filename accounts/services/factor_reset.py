"""Taking a person's second factors away, by an operator's word."""

from datetime import datetime

from django.db import transaction

from accounts.models import Passkey, RecoveryCode, SignInChallenge, TotpSecret, User
from accounts.selectors.factors import Factors, factors_of
from accounts.services.factor_changes import hold_factors, record_change
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import FactorChange, SessionEnd
from audit.vocabulary import EventName


def reset_factors(person: User, *, actor: str, reason: str, now: datetime) -> Factors:
    """Take away whatever a person proves besides a password, and end all that they got with it.

    Whoever finds the lost telephone must not go on with what is signed in on it: sessions end, with their clients
    told, and sign-ins before this moment count no more: not for grants, and not in the admin.

    Arguments:
        person: whose.
        actor: opaque id of who does it, for the audit.
        reason: in an operator's words.
        now: aware time of the change.

    Returns:
        What there was.
    """
    with transaction.atomic():
        hold_factors(person)
        had = factors_of(person)
        for model in (TotpSecret, RecoveryCode, Passkey, SignInChallenge):
            model.objects.filter(user=person).delete()
        User.objects.filter(pk=person.pk).update(signed_out_at=now)
        end_sessions_of(person, reason=SessionEnd.OPERATOR, actor=actor, now=now)
        record_change(
            EventName.FACTORS_RESET,
            person,
            FactorChange.RESET if had.any else None,
            realm=None,
            actor=actor,
            now=now,
            reason=reason,
            totp=had.totp,
            passkeys=had.passkeys,
            recovery_codes=had.recovery_codes,
        )
    return had
