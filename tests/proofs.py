"""What people can prove beside a password, and sessions that were proved that way, without the pages in between."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from accounts.acr import PASSWORD
from accounts.cookie_sessions import SIDS
from accounts.models import Passkey, Session, TotpSecret, User
from accounts.selectors import live_session
from accounts.services.sessions import begin_session
from accounts.services.sign_in import SignedIn
from audit.hooks import SEALED
from audit.models import Event
from realms.models import Realm
from tests.provider import Browser

WITH_A_CODE = (PASSWORD, "otp", "mfa")
BY_PASSKEY = ("pop", "user", "mfa")


def referring_to_people() -> list[tuple[Any, str]]:
    """Every table that refers to a person, as model and column; hidden ones too."""
    found = [field for field in User._meta.get_fields(include_hidden=True) if field.auto_created and not field.concrete]
    return [(field.related_model, field.field.name) for field in found]  # type: ignore[union-attr]


def clear_details(event: Event | None) -> dict[str, Any]:
    """What anybody who sees an event's details can read."""
    assert event is not None
    return {name: value for name, value in event.details.items() if name != SEALED}


def give_app(person: User) -> None:
    """An authenticator app that has proved itself; no code of it would be right."""
    now = timezone.now()
    TotpSecret.objects.create(user=person, secret=b"sealed", created_at=now, confirmed_at=now)


def give_passkey(person: User) -> Passkey:
    """A passkey, of which nobody has the private half."""
    about = {"name": "Key", "credential_id": person.subject.encode(), "credential": b"public"}
    return Passkey.objects.create(user=person, created_at=timezone.now(), **about)


def signed_in_by(browser: Browser, person: User, *, realm: Realm, methods: Sequence[str]) -> Session:
    """The session that a browser has after all these proofs; it continues the one that it had."""
    now = timezone.now()
    store = browser.session
    sids = store.get(SIDS, {})
    before = live_session(sids.get(realm.slug, ""), realm=realm, now=now)
    began = before.session.auth_time if before else now
    session = begin_session(
        realm=realm,
        signed_in=SignedIn(person, (), began, tuple(methods)),
        replacing=before.session if before else None,
        now=now,
    )
    store[SIDS] = {**sids, realm.slug: session.sid}
    store.save()
    return session
