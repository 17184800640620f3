"""Authorization: what was granted, by whom, to whom; what every flow hands to the one mint (RFC 6749 §1.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.trust import DeviceFacts


@dataclass(frozen=True, slots=True)
class Encryption:
    """How something is encrypted for a client (RFC 7516 §4.1).

    Attributes:
        alg: for the content's key.
        enc: for the content.
        jwks: the client's registered JWK Set.
    """

    alg: str
    enc: str
    jwks: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A decision that was made; nothing in it is still to be checked.

    Attributes:
        grant_id: the grant's row; None for what no row stands for, such as a client's own authority.
        issuer: the realm's issuer.
        client_id: to whom.
        subject: by whom: the person's `sub`, or the client's id where it asks for itself.
        audience: for whom the tokens are meant.
        scopes: what.
        auth_time: when the person proved who they are, aware; None where there is none.
        methods: how (`amr`).
        roles: what the person is in the realm.
        generation: of the grant, after this decision.
        rotated_at: when the grant got this generation; the key of that moment tags its handle.
        expires_at: when the grant ends at the latest.
        access_token_lifetime: the client's own, where it is shorter than the realm's; None for the realm's.
        refreshable: whether the client gets a refresh token.
        access_token_alg: how an access token is signed.
        opaque: whether the access token is one that only this provider can read.
        sid: the person's session; "" where there is none.
        nonce: of the authorization request.
        id_token_alg: how an ID token is to be signed; "" for none.
        id_token_encryption: how it is encrypted then; None for not at all.
        jkt: thumbprint of the key that the tokens are bound to (RFC 9449 §6); "" where whoever has them may use them.
        device_id: the person's device, from which the grant came; None where it is not known.
        device: what its trust follows from.
        identity: claims about the person that the ID token tells, because they were asked for one by one.
    """

    grant_id: UUID | None
    issuer: str
    client_id: str
    subject: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    auth_time: datetime | None
    methods: tuple[str, ...]
    roles: tuple[str, ...]
    generation: int
    rotated_at: datetime
    expires_at: datetime
    access_token_lifetime: timedelta | None = None
    refreshable: bool = True
    access_token_alg: str = "ES256"  # noqa: S105
    opaque: bool = False
    sid: str = ""
    nonce: str = ""
    id_token_alg: str = ""
    id_token_encryption: Encryption | None = None
    jkt: str = ""
    device_id: UUID | None = None
    device: DeviceFacts | None = None
    identity: Mapping[str, object] = field(default_factory=dict, repr=False)
