"""What an access token lets a client know of a person (OpenID Connect Core §5.3, RFC 6750 §2, RFC 9449 §7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.claims import standard_claims
from accounts.selectors import person_facts
from realms.models import Realm
from tokens import dpop, endpoints
from tokens.claims_request import USERINFO
from tokens.dpop import Proof
from tokens.errors import (
    BEARER_CHALLENGE,
    DpopProofRefused,
    InsufficientScope,
    InvalidDpopProof,
    InvalidToken,
    MissingToken,
)
from tokens.models import Grant
from tokens.parameters import ShownToken, parse_shown_token
from tokens.protocol import ProtocolRequest, ProtocolResponse, json_response, jwt_response
from tokens.scopes import OPENID
from tokens.services.access_tokens import audience_in, standing_of, trusted_claims
from tokens.services.issuance import userinfo_token
from tokens.services.live_grants import subject_for
from tokens.services.possession import algorithms, proof_in, take


def userinfo(request: ProtocolRequest, *, realm: Realm, now: datetime) -> ProtocolResponse:
    """The claims of the person that the token's scopes name, and those that were asked for one by one.

    Arguments:
        request: `/userinfo`, with the token in the header or in a posted form.
        realm: whose token it has to be.
        now: aware time of the request.

    Returns:
        JSON; a signed JWT for a client that registered an algorithm for it (§5.3.2).

    Raises:
        MissingToken: there is none.
        DpopProofRefused: it came with a proof that isn't one for this request, or without.
        InvalidToken: bound to another key, expired, revoked, for another audience, or of a client alone.
        InsufficientScope: it lacks `openid`.
        InvalidBearerRequest, BodyTooLarge, UnsupportedMediaType: the token is there twice, or in the address.
        KeysError: the keys can't be read, or none may sign now.
    """
    shown = _shown_in(request)
    proof = _proof_with(shown, request, realm=realm, now=now) if shown.by_proof else None
    claims = trusted_claims(shown.token, realm=realm, now=now)
    if claims is None or realm.issuer not in audience_in(claims):
        raise InvalidToken(detail="untrusted", challenge=_challenge(shown, "invalid_token"))
    _refuse_unbound(claims, proof)
    scopes = frozenset(str(claims.get("scope", "")).split(" "))
    if OPENID not in scopes:
        raise InsufficientScope(challenge=_challenge(shown, "insufficient_scope"))
    standing = standing_of(claims, realm=realm, now=now)
    if standing is None:
        raise InvalidToken(detail="ended", challenge=_challenge(shown, "invalid_token"))
    _take(proof, realm)
    told = _told_of(standing.grant, scopes, realm)
    client = standing.grant.client
    if not client.userinfo_alg:
        return json_response(told)
    return jwt_response(userinfo_token(told, client=client, realm=realm, now=now))


def _shown_in(request: ProtocolRequest) -> ShownToken:
    """The token; whoever shows none learns of both ways (RFC 9449 §7.1)."""
    try:
        return parse_shown_token(request)
    except MissingToken as error:
        both = f"{BEARER_CHALLENGE}, {dpop.challenge(algorithms())}"
        raise MissingToken(detail=error.detail, challenge=both) from error


def _proof_with(shown: ShownToken, request: ProtocolRequest, *, realm: Realm, now: datetime) -> Proof:
    try:
        found = proof_in(request, endpoint=endpoints.USERINFO, realm=realm, now=now, access_token=shown.token)
    except InvalidDpopProof as error:
        raise _refused(error) from error
    if found is None:
        raise _refused(InvalidDpopProof("Send a DPoP proof with the access token.", detail="missing"))
    return found


def _refuse_unbound(claims: Mapping[str, Any], proof: Proof | None) -> None:
    """A bound token needs a proof of its key, and a proof needs a token that is bound to its key (RFC 9449 §7.1, §7.2).

    Raises:
        InvalidToken: one is without the other.
    """
    bound_to = claims.get("cnf", {}).get("jkt", "")
    if bound_to != (proof.thumbprint if proof else ""):
        text = "The access token is bound to a key: show it with a proof of that key." if bound_to else ""
        raise InvalidToken(text, detail="another_key", challenge=dpop.challenge(algorithms(), "invalid_token"))


def _take(proof: Proof | None, realm: Realm) -> None:
    try:
        take(proof, realm=realm)
    except InvalidDpopProof as error:
        raise _refused(error) from error


def _refused(error: InvalidDpopProof) -> DpopProofRefused:
    return DpopProofRefused(error.public, detail=error.detail, challenge=dpop.challenge(algorithms(), error.code))


def _challenge(shown: ShownToken, error: str) -> str:
    """Of the scheme by which the token came; "" for the Bearer scheme's, which the errors have themselves."""
    return dpop.challenge(algorithms(), error) if shown.by_proof else ""


def _told_of(grant: Grant, scopes: frozenset[str], realm: Realm) -> dict[str, object]:
    """The person's claims, and what this client knows them by (§5.3.2, §8)."""
    requested = frozenset(grant.claims.get(USERINFO, ()))
    found = standard_claims(person_facts(grant.user), scopes=scopes, requested=requested)
    return {"sub": subject_for(grant.user.subject, client=grant.client, realm=realm), **found}
