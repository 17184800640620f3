"""What is done with keys of a PKCS #11 token in an open session; errors of the library pass through."""

import hashlib
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from keys.custodians.pkcs11_token import OpenToken, library
from keys.custodians.remote_key import RemoteKey
from keys.errors import CustodianRefused, CustodianUnreachable, SealBroken, UnavailableAlgorithm

_CURVES: dict[str, tuple[ec.EllipticCurve, str, str]] = {  # with the hash of RFC 7518 §3.4
    "ES256": (ec.SECP256R1(), "secp256r1", "sha256"),
    "ES384": (ec.SECP384R1(), "secp384r1", "sha384"),
    "ES512": (ec.SECP521R1(), "secp521r1", "sha512"),
}
_ED25519_OID = "1.3.101.112"
_ED25519_BYTES = 32
_NONCE_BYTES, _TAG_BYTES, _ID_BYTES = 12, 16, 16
_DER_HEADS = (0, 2, 3)  # how long the head of a DER OCTET STRING of a point is; some tokens leave it out
REMOTE_ALGORITHMS = frozenset({*_CURVES, "RS256", "PS256", "Ed25519"})
SHORTEST_WRAPPED = _NONCE_BYTES + _TAG_BYTES + 1


def broken(label: str) -> SealBroken:
    """What is raised where a wrapped key doesn't open."""
    return SealBroken(
        f"A sealed value doesn't open with the wrapping key {label!r} of the PKCS #11 token: either this is not "
        f"the key that once had this label, or the value was altered or moved."
    )


def _only(token: OpenToken, attributes: dict[Any, Any]) -> Any:
    """The one key with these attributes."""
    p11 = library()
    found = list(token.session.get_objects(attributes))
    if not found:
        raise p11.NoSuchKey
    if len(found) > 1:
        raise p11.MultipleObjectsReturned
    return found[0]


def _refuse_if_it_may_leave(key: Any, *, always: bool) -> None:
    """Believe the token's own attributes alone (PKCS #11 v2.40 §4.9), not what it was asked for."""
    p11 = library()
    wanted = {"TOKEN": True, "PRIVATE": True, "SENSITIVE": True, "EXTRACTABLE": False}
    if always:
        wanted |= {"LOCAL": True, "ALWAYS_SENSITIVE": True, "NEVER_EXTRACTABLE": True}
    wrong = [name for name, value in wanted.items() if bool(key[p11.Attribute[name]]) is not value]
    if wrong:
        raise CustodianRefused(
            f"A key of the PKCS #11 token could leave it, or is gone with the session (CKA_{', CKA_'.join(wrong)}): "
            f"it isn't used."
        )


def _wrapping_key(token: OpenToken, label: str) -> Any:
    p11 = library()
    place = ("wrapping", label)
    if place not in token.keys:
        kind = {p11.Attribute.CLASS: p11.ObjectClass.SECRET_KEY, p11.Attribute.KEY_TYPE: p11.KeyType.AES}
        key = _only(token, {**kind, p11.Attribute.LABEL: label})
        _refuse_if_it_may_leave(key, always=False)
        token.keys[place] = key
    return token.keys[place]


def _private_key(token: OpenToken, reference: str, algorithm: str) -> Any:
    p11 = library()
    place = (algorithm, reference)
    if place not in token.keys:
        whose = {p11.Attribute.ID: bytes.fromhex(reference), p11.Attribute.LABEL: _label(algorithm)}
        key = _only(token, {p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, **whose})
        _refuse_if_it_may_leave(key, always=True)
        token.keys[place] = key
    return token.keys[place]


def _label(algorithm: str) -> str:
    """A key's label holds it to one algorithm: RS256 and PS256 would share a key otherwise (RFC 8725 §3.1)."""
    return f"signet {algorithm}"


def make_wrapping_key(token: OpenToken, label: str) -> None:
    """Make an AES-256 key that wraps, never leaves, and works."""
    p11 = library()
    kind = {p11.Attribute.CLASS: p11.ObjectClass.SECRET_KEY, p11.Attribute.LABEL: label}
    if list(token.session.get_objects(kind)):
        raise CustodianRefused(f"The PKCS #11 token has a key {label!r} already: nothing was made.")
    uses = p11.MechanismFlag.ENCRYPT | p11.MechanismFlag.DECRYPT
    key = token.session.generate_key(
        p11.KeyType.AES, 256, label=label, id=secrets.token_bytes(_ID_BYTES), store=True, capabilities=uses,
        template={p11.Attribute.SENSITIVE: True, p11.Attribute.EXTRACTABLE: False, p11.Attribute.PRIVATE: True},
    )  # fmt: skip
    try:
        _refuse_if_it_may_leave(key, always=True)
        _decrypt(key, _encrypt(key, bytes(32), b""), b"", label)
    except Exception:
        key.destroy()
        raise


# --- Wrapping -------------------------------------------------------------------------------------------------


def wrap(token: OpenToken, label: str, data_key: bytes, aad: bytes) -> bytes:
    """Wrap a data key with a wrapping key."""
    return _encrypt(_wrapping_key(token, label), data_key, aad)


def unwrap(token: OpenToken, label: str, wrapped: bytes, aad: bytes) -> bytes:
    """Unwrap what `wrap` wrapped.

    Raises:
        SealBroken: it was altered, or is bound to something else.
    """
    return _decrypt(_wrapping_key(token, label), wrapped, aad, label)


def _gcm(nonce: bytes, aad: bytes) -> dict[str, Any]:
    p11 = library()
    parameters = p11.GCMParams(nonce=nonce, aad=aad, tag_bits=8 * _TAG_BYTES)
    return {"mechanism": p11.Mechanism.AES_GCM, "mechanism_param": parameters}


def _encrypt(key: Any, plaintext: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + bytes(key.encrypt(plaintext, **_gcm(nonce, aad)))


def _decrypt(key: Any, wrapped: bytes, aad: bytes, label: str) -> bytes:
    """Tokens say CKR_GENERAL_ERROR of a wrong tag and of a broken device alike, so the key is tried to tell which."""
    nonce, ciphertext = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
    try:
        return bytes(key.decrypt(ciphertext, **_gcm(nonce, aad)))
    except library().PKCS11Error as error:
        known = _encrypt(key, bytes(32), aad)
        if bytes(key.decrypt(known[_NONCE_BYTES:], **_gcm(known[:_NONCE_BYTES], aad))) != bytes(32):
            raise CustodianUnreachable("The PKCS #11 token doesn't open what it has just sealed.") from error
        raise broken(label) from error


# --- Signing --------------------------------------------------------------------------------------------------


def make_pair(token: OpenToken, algorithm: str, bits: int | None) -> RemoteKey:
    """Make a key pair for one algorithm."""
    p11 = library()
    identity = secrets.token_bytes(_ID_BYTES)
    hidden = {p11.Attribute.SENSITIVE: True, p11.Attribute.EXTRACTABLE: False, p11.Attribute.PRIVATE: True}
    uses = p11.MechanismFlag.SIGN | p11.MechanismFlag.VERIFY
    asked = {
        "id": identity, "label": _label(algorithm), "store": True, "capabilities": uses, "private_template": hidden,
    }  # fmt: skip
    try:
        public, private = _generated(token, algorithm, bits, asked)
    except (p11.MechanismInvalid, p11.KeySizeRange, p11.DomainParamsInvalid, p11.AttributeValueInvalid) as error:
        raise UnavailableAlgorithm(f"The PKCS #11 token makes no keys for {algorithm}.") from error
    try:
        _refuse_if_it_may_leave(private, always=True)
        return RemoteKey(identity.hex(), _public(public, algorithm))
    except Exception:
        private.destroy()
        public.destroy()
        raise


def _generated(token: OpenToken, algorithm: str, bits: int | None, asked: dict[str, Any]) -> tuple[Any, Any]:
    p11, session = library(), token.session
    if algorithm in {"RS256", "PS256"}:
        made: tuple[Any, Any] = session.generate_keypair(p11.KeyType.RSA, bits, **asked)
        return made
    if algorithm == "Ed25519":
        kind, name, how = p11.KeyType.EC_EDWARDS, _ED25519_OID, p11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    else:
        kind, name, how = p11.KeyType.EC, _CURVES[algorithm][1], p11.Mechanism.EC_KEY_PAIR_GEN
    curve = {p11.Attribute.EC_PARAMS: p11.util.ec.encode_named_curve_parameters(name)}
    made = session.create_domain_parameters(kind, curve, local=True).generate_keypair(mechanism=how, **asked)
    return made  # noqa: RET504  (typed above)


def _public(key: Any, algorithm: str) -> PublicKeyTypes:
    p11 = library()
    if algorithm in {"RS256", "PS256"}:
        exponent, modulus = (
            int.from_bytes(key[name], "big") for name in (p11.Attribute.PUBLIC_EXPONENT, p11.Attribute.MODULUS)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    point = bytes(key[p11.Attribute.EC_POINT])
    if algorithm == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_bare(point, _ED25519_BYTES))
    curve = _CURVES[algorithm][0]
    length = 1 + 2 * ((curve.key_size + 7) // 8)
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, _bare(point, length))


def _bare(point: bytes, length: int) -> bytes:
    if len(point) - length not in _DER_HEADS:
        raise CustodianRefused("The PKCS #11 token gives a public key of another length.")
    return point[-length:]


def sign(token: OpenToken, message: bytes, reference: str, algorithm: str) -> bytes:
    """The signature in the form of a JWS."""
    p11 = library()
    key = _private_key(token, reference, algorithm)
    match algorithm:
        case "RS256":
            return bytes(key.sign(message, mechanism=p11.Mechanism.SHA256_RSA_PKCS))
        case "PS256":
            salted = (p11.Mechanism.SHA256, p11.MGF.SHA256, 32)  # RFC 7518 §3.5: the salt is as long as the hash
            return bytes(key.sign(message, mechanism=p11.Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=salted))
        case "Ed25519":
            return bytes(key.sign(message, mechanism=p11.Mechanism.EDDSA))
    digest = hashlib.new(_CURVES[algorithm][2], message).digest()
    return bytes(key.sign(digest, mechanism=p11.Mechanism.ECDSA))  # r ‖ s already (PKCS #11 v2.40 §2.3.1)


def destroy(token: OpenToken, reference: str) -> None:
    """The private half first: what is cut off in between signs nothing more."""
    p11 = library()
    for kind in (p11.ObjectClass.PRIVATE_KEY, p11.ObjectClass.PUBLIC_KEY):
        halves = {p11.Attribute.CLASS: kind, p11.Attribute.ID: bytes.fromhex(reference)}
        for half in list(token.session.get_objects(halves)):
            half.destroy()
    token.keys.clear()
