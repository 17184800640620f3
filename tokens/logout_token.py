"""The claims of a logout token (OpenID Connect Back-Channel Logout §2.4), and what discovery says of them (§2.1)."""

import base64
from datetime import datetime, timedelta

LOGOUT_TOKEN_TYPE = "logout+jwt"  # noqa: S105
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME = timedelta(minutes=2)  # §4: short, since whoever holds it may sign a person out
JTI_BYTES = 16
# Each token names the session, so a client may ask for that (§2.2, backchannel_logout_session_required).
METADATA = {"backchannel_logout_supported": True, "backchannel_logout_session_supported": True}


def logout_token_claims(
    *, issuer: str, client_id: str, subject: str, sid: str, issued_at: datetime, random: bytes
) -> dict[str, object]:
    """The payload of a logout token. There is no `nonce` in it, so that it can't pass for an ID token.

    Arguments:
        issuer: the realm's.
        client_id: for whom it is.
        subject: what this client knows the person by.
        sid: the session that ended, as in the ID tokens of it.
        issued_at: aware; becomes `iat`.
        random: `JTI_BYTES` that were never used before.
    """
    return {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + LIFETIME).timestamp()),
        "jti": base64.urlsafe_b64encode(random).rstrip(b"=").decode("ascii"),
        "events": {EVENT: {}},
        "sid": sid,
    }
