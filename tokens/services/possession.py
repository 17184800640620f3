"""Reading the DPoP proof of a request, and taking it once (RFC 9449 §4.3, §11.1)."""

from datetime import datetime

from keys import api
from keys.errors import ForeignKeyRefused, TokenRefused
from realms.models import Realm
from tokens import dpop
from tokens.dpop import Proof
from tokens.endpoints import Endpoint
from tokens.errors import InvalidDpopProof
from tokens.models import Client
from tokens.protocol import ProtocolRequest
from tokens.services.spent_tokens import spend

_HEADER = "dpop"


def proof_in(
    request: ProtocolRequest, *, endpoint: Endpoint, realm: Realm, now: datetime, access_token: str = ""
) -> Proof | None:
    """The proof that a request carries, held against the request; None where it carries none. Asks no database.

    Two headers come as one with a comma in it, which no JWS has: they are refused as malformed (§4.3, check 1).

    Arguments:
        endpoint: where the request arrived; its address is the realm's issuer and its path.
        now: aware time of the request.
        access_token: the one that is shown with it; "" for none.

    Raises:
        InvalidDpopProof: it isn't one for this request.
    """
    text = request.headers.get(_HEADER)
    if text is None:
        return None
    if len(text) > dpop.MAX_PROOF:
        raise InvalidDpopProof(f"A DPoP proof has at most {dpop.MAX_PROOF} characters.", detail="length")
    try:
        claims, thumbprint = api.verify_possession(text, typ=dpop.TYP)
    except (TokenRefused, ForeignKeyRefused) as error:
        raise InvalidDpopProof(detail=type(error).__name__) from error
    uri = f"{realm.issuer}/{endpoint.path}"
    return dpop.check(claims, thumbprint, method=request.method, uri=uri, now=now, access_token=access_token)


def take(proof: Proof | None, *, realm: Realm) -> str:
    """Take a proof, which is good once; of several requests at once with the same one exactly one gets on.

    Call it when all else about the request is right, and before anything is spent on it.

    Returns:
        The thumbprint of the key; "" where there is no proof.

    Raises:
        InvalidDpopProof: it was seen before.
    """
    if proof is None:
        return ""
    if not spend(f"dpop\0{realm.pk}\0{proof.thumbprint}\0{proof.jti}", expires_at=proof.expires_at):
        raise InvalidDpopProof("The DPoP proof was used before: make a new one for each request.", detail="replay")
    return proof.thumbprint


def refuse_unproved(proof: Proof | None, client: Client) -> None:
    """Refuse a client without a proof whose tokens have to be bound (§5.2, `dpop_bound_access_tokens`).

    Raises:
        InvalidDpopProof: it has to send one.
    """
    if client.require_dpop and proof is None:
        raise InvalidDpopProof("This client has to send a DPoP proof.", detail="missing")


def algorithms() -> tuple[str, ...]:
    """What a proof may be signed with: for discovery and the challenge."""
    return tuple(api.foreign_algorithms())
