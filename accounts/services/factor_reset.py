"""Taking a person's second factors away, by an operator's word."""

from datetime import datetime

from django.db import transaction

from accounts.models import Passkey, RecoveryCode, SignInChallenge, TotpSecret, User
from accounts.selectors.factors import Factors, factors_of
from accounts.services.second_factors import hold_factors
from accounts.services.sessions import end_sessions_of
from accounts.vocabulary import SessionEnd
from audit.services import record
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
        details = {"totp": had.totp, "passkeys": had.passkeys, "recovery_codes": had.recovery_codes}
        record(
            EventName.FACTORS_RESET,
            realm="",
            actor=actor,
            target=person.subject,
            now=now,
            reason=reason,
            details=details,
        )
    return had
