"""Authorization: what was granted, by whom, to whom; what every flow hands to the one mint (RFC 6749 §1.3)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Authorization:
    """A decision that was made; nothing in it is still to be checked.

    Attributes:
        grant_id: the grant's row; for a token without a grant a random value that no row has.
        issuer: the realm's issuer.
        client_id: to whom.
        subject: by whom: the person's `sub`.
        scopes: what.
        auth_time: when the person proved who they are, aware.
        methods: how (`amr`).
        roles: what the person is in the realm.
        generation: of the grant, after this decision.
        rotated_at: when the grant got this generation; the key of that moment tags its handle.
        expires_at: when the grant ends at the latest.
    """

    grant_id: UUID
    issuer: str
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    auth_time: datetime
    methods: tuple[str, ...]
    roles: tuple[str, ...]
    generation: int
    rotated_at: datetime
    expires_at: datetime
