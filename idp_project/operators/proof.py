"""What the admin's session keeps of how its operator proved who they are.

It lies in Django's session, whose cookie is a key to a row here: nobody writes into it from outside. Two marks stand
there: since when somebody is signed in, set with every sign-in by password, and that a second factor was proved. The
second is the person's, and their password's of that moment: it counts for nobody else, and goes with another
password, with a sign-in, with a sign-out and with the reset of their factors. A realm's session is never asked.
"""

from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User

_SINCE = "signet.operator_since"
_PROOF = "signet.operator_proof"


def remember_sign_in(request: HttpRequest, *, now: datetime) -> None:
    """Mark since when the session's operator is signed in; a second factor that was proved before is void."""
    request.session[_SINCE] = now.isoformat()
    request.session.pop(_PROOF, None)


def remember_second_factor(request: HttpRequest, person: User) -> None:
    """Mark that the operator proved a second factor, under a new key of the session.

    Arguments:
        person: who did.
    """
    request.session.cycle_key()
    request.session[_PROOF] = {"subject": person.subject, "hash": person.get_session_auth_hash()}


def keep_after_new_password(request: HttpRequest, person: User, *, now: datetime) -> None:
    """Go on with this session alone, after its own operator took another password in it.

    Arguments:
        person: who did, with the new password.
    """
    proved = _PROOF in request.session
    remember_sign_in(request, now=now)
    if proved:
        remember_second_factor(request, person)


def still_counts(request: HttpRequest, *, now: datetime) -> bool:
    """Whether the sign-in of this session's operator is later than what ended all before it, and not too long ago.

    Django's own end of the session moves on with whatever is written into it, by a realm's pages too; this one stays.
    """
    ended = cast("User", request.user).signed_out_at
    marked = request.session.get(_SINCE)
    if not isinstance(marked, str):
        return False
    since = datetime.fromisoformat(marked)
    return (ended is None or since >= ended) and now - since < timedelta(seconds=settings.SESSION_COOKIE_AGE)


def second_factor_due(request: HttpRequest) -> bool:
    """Whether the operator has to prove a second factor before anything else; the setting says whether at all."""
    if not settings.IDP_ADMIN_SECOND_FACTOR:
        return False
    person = cast("User", request.user)
    mark: Any = request.session.get(_PROOF)
    if not isinstance(mark, dict) or mark.get("subject") != person.subject:
        return True
    return not constant_time_compare(str(mark.get("hash")), person.get_session_auth_hash())


def _on_sign_in(request: HttpRequest | None, **_signal: Any) -> None:
    if request is not None:
        remember_sign_in(request, now=timezone.now())


def watch_sign_ins() -> None:
    """Have every sign-in by password begin anew."""
    user_logged_in.connect(_on_sign_in, dispatch_uid="signet.operators")
