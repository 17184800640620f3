"""Everything that is stored about a person, for them to take along (GDPR articles 15, 20); it opens nothing.

What is left out: digests, sealed values and the tags of cookies. They would be of no use to anybody but a thief.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib.admin.models import ACTION_FLAG_CHOICES, LogEntry

from accounts.hooks import stored_above
from accounts.models import (
    Device,
    MailedLink,
    Membership,
    Session,
    SignInChallenge,
    TotpSecret,
    UpstreamLink,
    User,
)
from accounts.services.personal import open_of, personal_key, record_about, sealed_key_of
from accounts.whereabouts import Whereabouts
from audit.hooks import SEALED
from audit.models import Event
from audit.selectors import of_person
from audit.vocabulary import EventName

Rows = Sequence[Mapping[str, object]]
_PLAIN = (
    "subject", "username", "email", "email_verified", "name", "given_name", "family_name", "locale", "zoneinfo",
    "phone_number", "phone_number_verified", "address", "updated_at", "is_active", "is_staff", "is_superuser",
    "created_at", "last_login", "signed_out_at",
)  # fmt: skip
_ANOTHER = "another person"


def take_copy(person: User, *, whereabouts: Whereabouts, realm: str, now: datetime) -> dict[str, object]:
    """Everything that is stored about a person, for themselves; the event of it is among it.

    Arguments:
        person: who proved lately that it is them.
        whereabouts: where they are, for the audit.
        realm: the slug of the realm whose page they use; the copy is of all realms.
        now: aware time.
    """
    record_about(
        person,
        whereabouts,
        EventName.PERSON_COPIED,
        realm=realm,
        actor=f"user:{person.subject}",
        target=person.subject,
        now=now,
        sealed_key=personal_key(person, now=now),
    )
    return stored_about(person, now=now)


def stored_about(person: User, *, now: datetime) -> dict[str, object]:
    """Everything, as JSON objects by name.

    Arguments:
        now: aware time, which the document names.
    """
    return {
        "made_at": now,
        "person": _person(person),
        "memberships": _memberships(person),
        "sessions": _sessions(person),
        "sign_ins_begun": _sign_ins_begun(person),
        "devices": _devices(person),
        "second_factors": _second_factors(person),
        "passkeys": _passkeys(person),
        "other_providers": _other_providers(person),
        "mailed_links": _mailed_links(person),
        "admin_changes": _admin_changes(person),
        **stored_above(person),
        "events": _events(person),
    }


def _person(person: User) -> Mapping[str, object]:
    permissions = person.user_permissions.values_list("content_type__app_label", "codename")
    return {
        **{name: getattr(person, name) for name in _PLAIN},
        "has_password": person.has_usable_password(),
        "groups": list(person.groups.values_list("name", flat=True)),
        "permissions": [f"{app}.{name}" for app, name in permissions],
    }


def _memberships(person: User) -> Rows:
    rows = Membership.objects.filter(user=person).select_related("realm")
    return [{"realm": row.realm.slug, "roles": row.roles, "created_at": row.created_at} for row in rows]


def _sessions(person: User) -> Rows:
    columns = ("sid", "auth_time", "methods", "device_id", "created_at", "ended_at", "end_reason")
    rows = Session.objects.filter(user=person).select_related("realm").order_by("pk")
    return [{"realm": row.realm.slug, **{name: getattr(row, name) for name in columns}} for row in rows]


def _sign_ins_begun(person: User) -> Rows:
    columns = ("methods", "proved_at", "expires_at", "completed_at")
    rows = SignInChallenge.objects.filter(user=person).select_related("realm").order_by("proved_at")
    return [{"realm": row.realm.slug, **{name: getattr(row, name) for name in columns}} for row in rows]


def _devices(person: User) -> Rows:
    return list(
        Device.objects.filter(user=person).values(
            "id", "kind", "thumbprint", "name", "created_at", "last_used_at", "second_factor_at", "address_changed_at",
            "address_changes", "operator_trust", "removed_at",
        )
    )  # fmt: skip


def _second_factors(person: User) -> Mapping[str, object]:
    return {
        "authenticator_app": TotpSecret.objects.filter(user=person)
        .values("created_at", "confirmed_at", "last_used_at")
        .first(),
        "recovery_codes": list(person.recovery_codes.order_by("pk").values("created_at", "used_at")),
    }


def _passkeys(person: User) -> Rows:
    columns = ("name", "sign_count", "backup_eligible", "transports", "created_at", "last_used_at")
    return [
        {"credential_id": _base64url(bytes(row.credential_id)), **{name: getattr(row, name) for name in columns}}
        for row in person.passkeys.all()
    ]


def _other_providers(person: User) -> Rows:
    rows = UpstreamLink.objects.filter(user=person).select_related("provider__realm").order_by("pk")
    return [
        {
            "realm": row.provider.realm.slug,
            "issuer": row.provider.issuer,
            "subject": row.subject,
            "created_at": row.created_at,
            "last_used_at": row.last_used_at,
        }
        for row in rows
    ]


def _mailed_links(person: User) -> Rows:
    columns = ("purpose", "email", "created_at", "expires_at", "used_at")
    rows = MailedLink.objects.filter(user=person).select_related("realm")
    return [{"realm": row.realm.slug, **{name: getattr(row, name) for name in columns}} for row in rows]


def _admin_changes(person: User) -> Rows:
    """What an operator changed, as the admin's own history has it."""
    rows = LogEntry.objects.filter(user=person).select_related("content_type").order_by("pk")
    words = dict(ACTION_FLAG_CHOICES)
    return [
        {
            "at": row.action_time,
            "what": row.content_type.model if row.content_type else "",
            "id": row.object_id,
            "action": str(words[row.action_flag]),
        }
        for row in rows
    ]


def _events(person: User) -> Rows:
    """The events that tell of them and of what they have, or that they did, the earliest first."""
    themselves = f"user:{person.subject}"
    key = sealed_key_of(person)
    found = Event.objects.filter(of_person(person.subject)).order_by("pk")
    return [_event(event, person, themselves, key) for event in found]


def _event(event: Event, person: User, themselves: str, key: bytes | None) -> Mapping[str, object]:
    told = {name: value for name, value in event.details.items() if name != SEALED}
    others = event.actor.startswith("user:") and event.actor != themselves
    return {
        "at": event.occurred_at,
        "name": event.name,
        "realm": event.realm,
        "actor": _ANOTHER if others else event.actor,
        "target": event.target,
        "reason": event.reason,
        "details": told,
        **((open_of(event, person=person, sealed_key=key) or {}) if key else {}),
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
