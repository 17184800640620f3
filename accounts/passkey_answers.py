"""What a browser answers, read strictly before any library sees it (Web Authentication Level 3 §5.1, §6.1).

The JSON is that of `RegistrationResponseJSON` and `AuthenticationResponseJSON`, or what `static/signet/passkeys.js`
makes where a browser has no `toJSON()`: members that nobody here asks for are left alone.
"""

import json
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.utils import websafe_decode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    AuthenticatorTransport,
    CollectedClientData,
    RegistrationResponse,
)

from accounts.errors import PasskeyRefused

MAX_ANSWER = 16_384  # characters; an attestation with certificates that nobody asked for takes some thousand
_MAX_CREDENTIAL_ID = 1_023  # bytes, §4
_MIN_CREDENTIAL_ID = 16
_MAX_USER_HANDLE = 64  # bytes, §4
_RSA_BITS = range(2_048, 4_097)
_FIELD = 32  # bytes of a coordinate on P-256, and of a key on Curve25519
_BROKEN = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, UnsupportedAlgorithm,
    struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attested:
    """An answer to the wish for a new passkey.

    Attributes:
        response: for the library.
        data: of the authenticator.
        credential: the new one, attested credential data.
        transports: by which the authenticator can be reached, as far as they are known here.
    """

    response: RegistrationResponse
    data: AuthenticatorData
    credential: AttestedCredentialData
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asserted:
    """An answer of a passkey.

    Attributes:
        response: for the library.
        credential_id: of the passkey that says so.
        user_handle: whose it is, as the authenticator says; None where it says nothing.
    """

    response: AuthenticationResponse
    credential_id: bytes
    user_handle: bytes | None


def read_attested(text: str) -> Attested:
    """Read the answer to the wish for a new passkey.

    Arguments:
        text: from a form, however hostile.

    Raises:
        PasskeyRefused: it has not the form, or a key that is none of ours.
    """
    try:
        response, credential_id = _read(text)
        client_data = _client_data(response)
        attestation = AttestationObject(_bytes_in(response, "attestationObject"))
        data = attestation.auth_data
        credential = data.credential_data
        if credential is None or credential.credential_id != credential_id:
            raise ValueError("Another credential, or none.")
        if data.is_backed_up() and not data.is_backup_eligible():
            raise ValueError("Backed up, and can't be.")
        _check_key(credential.public_key)
        listed = response.get("transports") or []
        known = tuple(each.value for each in AuthenticatorTransport if each.value in listed)
        answer = AuthenticatorAttestationResponse(client_data=client_data, attestation_object=attestation)
        return Attested(RegistrationResponse(raw_id=credential_id, response=answer), data, credential, known)
    except _BROKEN as error:
        raise PasskeyRefused("malformed_passkey") from error


def read_asserted(text: str) -> Asserted:
    """Read the answer of a passkey.

    Arguments:
        text: from a form, however hostile.

    Raises:
        PasskeyRefused: it has not the form.
    """
    try:
        response, credential_id = _read(text)
        handle = None if response.get("userHandle") is None else _bytes_in(response, "userHandle")
        if handle is not None and len(handle) > _MAX_USER_HANDLE:
            raise ValueError("The user handle is too long.")
        data = AuthenticatorData(_bytes_in(response, "authenticatorData"))
        if data.is_backed_up() and not data.is_backup_eligible():
            raise ValueError("Backed up, and can't be.")
        answer = AuthenticatorAssertionResponse(
            client_data=_client_data(response),
            authenticator_data=data,
            signature=_bytes_in(response, "signature"),
            user_handle=handle,
        )
        return Asserted(AuthenticationResponse(raw_id=credential_id, response=answer), credential_id, handle)
    except _BROKEN as error:
        raise PasskeyRefused("malformed_passkey") from error


def _read(text: str) -> tuple[dict[str, Any], bytes]:
    """The members of the answer's response, and the credential's id."""
    if len(text) > MAX_ANSWER:
        raise ValueError("Too long.")
    found = _object(text)
    response = found["response"]
    if found["type"] != "public-key" or not isinstance(response, dict) or found["id"] != found["rawId"]:
        raise ValueError("No credential.")
    credential_id = _bytes_in(found, "rawId")
    if not _MIN_CREDENTIAL_ID <= len(credential_id) <= _MAX_CREDENTIAL_ID:
        raise ValueError("No credential's id is so long, or so short.")
    return response, credential_id


def _object(text: str) -> dict[str, Any]:
    """A JSON object, each of its members once."""
    found = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise TypeError("No object.")
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A member is repeated.")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _bytes_in(members: dict[str, Any], name: str) -> bytes:
    """A member in base64url without padding, in the one form that its bytes have."""
    text = members[name]
    if not isinstance(text, str):
        raise TypeError("No text.")
    found: bytes = websafe_decode(text)
    if urlsafe_b64encode(found).rstrip(b"=").decode() != text:
        raise ValueError("No base64url in its one form.")
    return found


def _client_data(response: dict[str, Any]) -> CollectedClientData:
    """What the browser says of the page that asked; no frame of another site's may (§5.10)."""
    raw = _bytes_in(response, "clientDataJSON")
    members = _object(raw.decode("utf-8"))
    if not all(isinstance(members[name], str) for name in ("type", "challenge", "origin")):
        raise TypeError("No text.")
    if members.get("crossOrigin", False) is not False or "topOrigin" in members:
        raise ValueError("Asked for in another site's frame.")
    return CollectedClientData(raw)


def _check_key(key: CoseKey) -> None:
    """Whether it is a key of an algorithm that is asked for, with the members that it has to have and no others."""
    members = dict(key)
    match type(key), members:
        case (cls, {1: 2, 3: -7, -1: 1, -2: bytes(x), -3: bytes(y), **rest}) if cls is ES256 and not rest:
            if (len(x), len(y)) != (_FIELD, _FIELD):
                raise ValueError("A coordinate has another length.")
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + x + y)
        case (cls, {1: 1, 3: -8, -1: 6, -2: bytes(x), **rest}) if cls is EdDSA and not rest:
            ed25519.Ed25519PublicKey.from_public_bytes(x)
        case (cls, {1: 3, 3: -257, -1: bytes(n), -2: bytes(e), **rest}) if cls is RS256 and not rest:
            modulus = int.from_bytes(n, "big")
            if modulus.bit_length() not in _RSA_BITS or int.from_bytes(e, "big") != 65_537:  # noqa: PLR2004
                raise ValueError("No RSA key of a length and an exponent that are taken here.")
            rsa.RSAPublicNumbers(65_537, modulus).public_key()
        case _:
            raise ValueError("A key of another algorithm.")
