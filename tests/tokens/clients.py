"""Clients for tests, and what they show to prove who they are."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.api_jws import PyJWS

from keys.jwk import key_members
from realms.models import Realm
from tokens.client_metadata import ClientMetadata
from tokens.models import Client
from tokens.parameters import ASSERTION_TYPE
from tokens.services.clients import create_client
from tokens.vocabulary import AuthMethod, GrantType

CLIENT_CREDENTIALS = (GrantType.CLIENT_CREDENTIALS,)
API, OTHER_API = "https://api.example.test", "https://other.example.test/v1"


def register(realm: Realm, client_id: str = "machine", **metadata: Any) -> tuple[Client, str]:
    """A client that may use client_credentials, and its secret, "" where it has none."""
    found = ClientMetadata(**{"grant_types": CLIENT_CREDENTIALS, "id_token_alg": "ES256", **metadata})
    now = realm.created_at
    client, secret = create_client(
        realm=realm, client_id=client_id, name=client_id, metadata=found, actor="test", now=now
    )
    return client, secret or ""


def register_signer(realm: Realm, client_id: str = "signer", algorithm: str = "ES256", **metadata: Any) -> Client:
    """A client that signs assertions with `key(algorithm, client_id)`."""
    keys = jwks((key(algorithm, client_id), algorithm, "k1"))
    return register(realm, client_id, auth_method=AuthMethod.PRIVATE_KEY_JWT, jwks=keys, **metadata)[0]


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Headers with both parts in the form encoding (RFC 6749 §2.3.1)."""
    text = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def key(algorithm: str = "ES256", owner: str = "signer") -> Any:
    """A private key: always the same one for the same arguments."""
    return _key(algorithm, owner)


@cache
def _key(algorithm: str, _owner: str) -> Any:
    if algorithm in ("RS256", "PS256"):
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    if algorithm in ("Ed25519", "EdDSA"):
        return ed25519.Ed25519PrivateKey.generate()
    curves: Mapping[str, ec.EllipticCurve] = {
        "ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1(),
    }  # fmt: skip
    return ec.generate_private_key(curves[algorithm])


def jwk(private: Any, algorithm: str, kid: str | None = None, **more: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    return {**key_members(private.public_key(), algorithm), **({"kid": kid} if kid else {}), **more}


def jwks(*keys: tuple[Any, str, str | None]) -> dict[str, Any]:
    """A JWK Set: for each key its algorithm and kid."""
    return {"keys": [jwk(private, algorithm, kid, alg=algorithm) for private, algorithm, kid in keys]}


def signed(payload: str, private: Any, algorithm: str = "ES256", **header: Any) -> str:
    """A compact JWS over any text; a header member that is None is left out."""
    library = PyJWS()
    library.register_algorithm("Ed25519", PyJWS().get_algorithm_by_name("EdDSA"))
    members = {name: value for name, value in {"kid": "k1", **header}.items() if value is not None or name == "typ"}
    return library.encode(payload.encode("utf-8", "surrogatepass"), private, algorithm, headers=members)


def assertion(
    realm: Realm,
    now: datetime,
    client_id: str = "signer",
    *,
    algorithm: str = "ES256",
    private: Any = None,
    header: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    **claims: Any,
) -> str:
    """What a client signs to prove who it is; claims may be changed or left out."""
    moment = int(now.timestamp())
    found = {
        "iss": client_id,
        "sub": client_id,
        "aud": realm.issuer,
        "iat": moment,
        "exp": moment + 60,
        "jti": "first",
        **claims,
    }
    payload = json.dumps({name: value for name, value in found.items() if name not in without})
    return signed(payload, private or key(algorithm, client_id), algorithm, **(header or {}))


def asserted(token: str, /, **more: str) -> dict[str, str]:
    """The fields that carry an assertion."""
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token, **more}
