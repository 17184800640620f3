"""What this app stores about a person, for them to take along (accounts/hooks.py)."""

from collections.abc import Mapping, Sequence

from accounts.models import User
from tokens.models import Consent, Grant

_OF_A_GRANT = (
    "scopes", "resources", "claims", "redirect_uri", "auth_time", "methods", "device_id", "created_at", "rotated_at",
    "idle_expires_at", "absolute_expires_at", "revoked_at", "revocation_reason",
)  # fmt: skip


def stored_about(person: User) -> Mapping[str, Sequence[Mapping[str, object]]]:
    """Consents and grants; neither digests nor challenges, which prove something."""
    consents = Consent.objects.filter(user=person).select_related("client__realm").order_by("pk")
    grants = Grant.objects.filter(user=person).select_related("client__realm", "session").order_by("created_at")
    return {
        "consents": [
            {**_client(consent), "scopes": consent.scopes, "granted_at": consent.granted_at} for consent in consents
        ],
        "grants": [
            {
                **_client(grant),
                "id": grant.pk,
                "sid": grant.session.sid if grant.session else None,
                **{name: getattr(grant, name) for name in _OF_A_GRANT},
            }
            for grant in grants
        ],
    }


def _client(row: Consent | Grant) -> Mapping[str, object]:
    return {"realm": row.client.realm.slug, "client_id": row.client.client_id, "client_name": row.client.name}
