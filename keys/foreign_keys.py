"""Public keys that clients register, read strictly (RFC 7517, RFC 8725 §3.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from keys.compact import plain_object
from keys.errors import ForeignKeyRefused, KeysError, TokenRefused
from keys.jwk import key_members, thumbprint, to_public_key

MAX_KEYS = 20
MAX_TEXT = 65_536  # twenty RSA keys of 8192 bits with room for members that nobody needs
_MAX_KID = 256
_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192  # working with a longer one would be a way to be slow
_MOST_RSA_EXPONENT_BITS = 32  # and so would one with a larger exponent
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_KEPT_MEMBERS = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e")
_Table = Mapping[tuple[str, str | None], Sequence[str]]  # key type and curve → algorithms, the usual one first
_ALGORITHMS: _Table = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("Ed25519", "EdDSA"),
    ("RSA", None): ("RS256", "PS256"),
}
_ONE_NAME = {"EdDSA": "Ed25519"}  # RFC 9864 §2.2
ALGORITHMS = tuple(name for names in _ALGORITHMS.values() for name in names)
_AGREEMENTS = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
_ENCRYPTIONS: _Table = {
    ("RSA", None): ("RSA-OAEP-256",),
    ("EC", "P-256"): _AGREEMENTS,
    ("EC", "P-384"): _AGREEMENTS,
    ("EC", "P-521"): _AGREEMENTS,
    ("OKP", "X25519"): _AGREEMENTS,
}
ENCRYPTIONS = tuple(dict.fromkeys(name for names in _ENCRYPTIONS.values() for name in names))
# The points of small order of Edwards25519, in every encoding: under such a key everybody can sign. Only the y
# coordinates stand here, since the sign bit is cut off before they are compared.
_P = 2**255 - 19
_ORDER_8 = (
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)
_SMALL_ORDER = frozenset(y.to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1, *_ORDER_8))
_PROBE = x25519.X25519PrivateKey.from_private_bytes(bytes(32))  # protects nothing: it only finds such points of X25519


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A key that somebody else signs with: its id, the one algorithm that it may be used with, and itself."""

    kid: str
    algorithm: str
    public_key: PublicKeyTypes


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key to encrypt to: its id, the algorithms that it may be used with, and itself."""

    kid: str
    algorithms: Sequence[str]
    public_key: PublicKeyTypes


def parse_jwks(text: str) -> dict[str, Any]:
    """A JWK Set as somebody hands it in: strict JSON, and sound.

    Arguments:
        text: the JSON.

    Returns:
        See `clean_jwks`.

    Raises:
        ForeignKeyRefused: it is too long, not JSON with each member once, or see `clean_jwks`.
    """
    return clean_jwks(jwks_object(text))


def jwks_object(text: str) -> dict[str, Any]:
    """A JWK Set from strict JSON; nothing is known of its keys yet.

    Raises:
        ForeignKeyRefused: it is too long, or not JSON with each member once.
    """
    if len(text) > MAX_TEXT:
        raise ForeignKeyRefused(f"A JWK Set has at most {MAX_TEXT} characters.")
    try:
        return plain_object(text, "The JWK Set")
    except TokenRefused as error:
        raise ForeignKeyRefused(str(error)) from None


def clean_jwks(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a JWK Set: the members that are used here, and no certificate, comment or surprise.

    Arguments:
        document: the JWK Set, from JSON. It may hold keys for signatures, for encryption, or both.

    Raises:
        ForeignKeyRefused: a key is malformed, private or too weak, one for signatures is of an unknown kind,
            two of the same use share a kid, or there are none that are used here or too many keys. The
            message doesn't repeat the key.
    """
    jwks = _checked(document)
    if not [*_signature_keys(jwks), *_encryption_keys(jwks)]:
        raise ForeignKeyRefused("No key of the JWK Set is one for signatures or encryption that is used here.")
    return {"keys": [{name: jwk[name] for name in _KEPT_MEMBERS if name in jwk} for jwk in jwks]}


def signature_keys(document: Mapping[str, Any]) -> Sequence[ForeignKey]:
    """The keys of a JWK Set that sign: those whose `use` is sig, or that have none (RFC 7517 §4.2).

    A key's algorithm is its `alg`, or the first that fits its type: it is never the token's to choose.

    Arguments:
        document: the JWK Set, from JSON. Keys of another `use` are held against the same form and passed over.

    Raises:
        ForeignKeyRefused: no key is one for signatures, or one of them is not sound (see `clean_jwks`).
    """
    found = _signature_keys(_checked(document))
    if not found:
        raise ForeignKeyRefused("No key of the JWK Set is one for signatures.")
    return found


def encryption_key(document: Mapping[str, Any], algorithm: str) -> EncryptionKey:
    """The key of a JWK Set to encrypt to: the first that fits, of those whose `use` is enc.

    A key without `use` is one for signatures: in a set with both kinds every key has to say what it is for
    (OpenID Connect Registration §2, `jwks`), and a key that signs is never one to encrypt to.

    Arguments:
        document: the JWK Set, from JSON.
        algorithm: the `alg` that the client registered; a key's own `alg` has to be the same.

    Raises:
        ForeignKeyRefused: no key fits, it has no kid among several keys (OpenID Connect Core §10.2), or a key
            for encryption is not sound (see `clean_jwks`).
    """
    jwks = _checked(document)
    key = next((key for key in _encryption_keys(jwks) if algorithm in key.algorithms), None)
    if key is None:
        raise ForeignKeyRefused(f"No key of the JWK Set has the use enc and fits {algorithm[:32]!r}.")
    if not key.kid and len(jwks) > 1:
        raise ForeignKeyRefused("A key for encryption needs a kid where the JWK Set has several keys.")
    return key


def _checked(document: Mapping[str, Any]) -> Sequence[Mapping[str, str]]:
    """The keys of a JWK Set, each of a form that can be read."""
    keys = document.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise ForeignKeyRefused(f"A JWK Set has a list of 1 to {MAX_KEYS} keys.")
    for jwk in keys:
        _check_members(jwk)
    return keys


def _signature_keys(jwks: Sequence[Mapping[str, str]]) -> Sequence[ForeignKey]:
    found = [_signature_key(jwk) for jwk in jwks if jwk.get("use", "sig") == "sig"]
    _check_kids([key.kid for key in found])
    return found


def _encryption_keys(jwks: Sequence[Mapping[str, str]]) -> Sequence[EncryptionKey]:
    """The sound keys whose `use` is enc. One for an algorithm that isn't used here is meant for another server."""
    offered = [(jwk, _fitting(jwk, _ENCRYPTIONS)) for jwk in jwks if jwk.get("use") == "enc"]
    found = [EncryptionKey(jwk.get("kid", ""), names, _public_key(jwk)) for jwk, names in offered if names]
    _check_kids([key.kid for key in found])
    return found


def _fitting(jwk: Mapping[str, str], table: _Table) -> Sequence[str]:
    """The algorithms that a key may be used with, by its type and its own `alg`."""
    names = table.get((jwk.get("kty", ""), jwk.get("crv")), ())
    return [name for name in names if jwk.get("alg", name) == name]


def _check_kids(kids: Sequence[str]) -> None:
    if len(set(kids)) != len(kids):
        raise ForeignKeyRefused("Each key of a JWK Set needs a kid of its own.")


def _check_members(jwk: Any) -> None:
    """Every member that is used here is a text that a column can hold, and none is private."""
    if not isinstance(jwk, dict):
        raise ForeignKeyRefused("A key of the JWK Set is no JWK.")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ForeignKeyRefused("A JWK Set of public keys holds a private one: make a new key, this one has leaked.")
    texts = [jwk[name] for name in _KEPT_MEMBERS if name in jwk]
    if not all(isinstance(text, str) and text.isprintable() for text in texts) or len(jwk.get("kid", "")) > _MAX_KID:
        raise ForeignKeyRefused("A key of the JWK Set is no JWK.")


def _signature_key(jwk: Mapping[str, str]) -> ForeignKey:
    fitting = _fitting(jwk, _ALGORITHMS)
    if not fitting:
        raise ForeignKeyRefused(
            "A key of the JWK Set has a type or an algorithm that is not used here for signatures; "
            "one for encryption has the use enc."
        )
    return ForeignKey(jwk.get("kid", ""), _ONE_NAME.get(fitting[0], fitting[0]), _public_key(jwk))


def _public_key(jwk: Mapping[str, str]) -> PublicKeyTypes:
    """The key itself, on its curve, long enough, and none that everybody holds the private half of."""
    try:
        key = to_public_key(jwk)
        weak = _is_of_small_order(key)
    except (KeysError, KeyError, ValueError) as error:
        raise ForeignKeyRefused("A key of the JWK Set is malformed.") from error
    if weak:
        raise ForeignKeyRefused("A key of the JWK Set is a point of small order, which protects nothing.")
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
    return key


def _is_of_small_order(key: PublicKeyTypes) -> bool:
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes_raw()
        return bytes([*raw[:-1], raw[-1] & 0x7F]) in _SMALL_ORDER
    return isinstance(key, x25519.X25519PublicKey) and not _agrees(key)


def _agrees(key: x25519.X25519PublicKey) -> bool:
    """Whether an agreement with the key is a secret: with a point of small order it is nought (RFC 7748 §6.1)."""
    try:
        _PROBE.exchange(key)
    except ValueError:
        return False
    return True


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        raise ForeignKeyRefused(f"RSA keys have {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits.")
    if numbers.n % 2 == 0 or numbers.e.bit_length() > _MOST_RSA_EXPONENT_BITS:
        raise ForeignKeyRefused("An RSA key of the JWK Set has an even modulus or an absurd exponent.")


def shown_key(jwk: Mapping[str, Any], algorithm: str) -> tuple[ForeignKey, str]:
    """The key that a proof of possession shows in its header, and its thumbprint (RFC 9449 §4.2, RFC 7638).

    Nobody registered it: it says no more than that the same key was proved before. So the algorithm is the
    proof's own choice, of those that fit the key and are used here.

    Arguments:
        jwk: from the header, however hostile.
        algorithm: the `alg` beside it.

    Raises:
        ForeignKeyRefused: the key is private, malformed, too weak, not for signatures, or not for this algorithm.
    """
    _check_members(jwk)
    if jwk.get("use", "sig") != "sig" or algorithm not in _fitting(jwk, _ALGORITHMS):
        raise ForeignKeyRefused("The key of the proof is not one for its algorithm.")
    key = _public_key(jwk)
    name = _ONE_NAME.get(algorithm, algorithm)
    return ForeignKey("", name, key), thumbprint(key_members(key, name))


def choose(keys: Sequence[ForeignKey], *, kid: str, algorithm: str) -> ForeignKey | None:
    """The key that a token means, by its kid; without one, the only key that fits its algorithm."""
    if kid:
        return next((key for key in keys if key.kid == kid), None)
    fitting = [key for key in keys if key.algorithm == _ONE_NAME.get(algorithm, algorithm)]
    return fitting[0] if len(fitting) == 1 else None


def _decoys() -> Mapping[str, ForeignKey]:
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    modulus = rsa.RSAPublicNumbers(65_537, 2**2047 + 1).public_key()
    found: dict[str, PublicKeyTypes] = {
        **{name: ec.derive_private_key(1, curve).public_key() for name, curve in curves.items()},
        "Ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key(),
        "RS256": modulus,
        "PS256": modulus,
    }
    return {name: ForeignKey("", name, key) for name, key in found.items()}


# Keys that stand in where there is no right one, so that a refusal takes as long. Anybody can sign with them:
# whoever holds a token against a decoy has to refuse it, whatever comes out.
_DECOYS = _decoys()
DECOY_SET: Mapping[str, Any] = {"keys": [key_members(_DECOYS["ES256"].public_key, "ES256")]}


def decoy(algorithm: str) -> ForeignKey:
    """The decoy for an algorithm; for an unknown one any, since the two won't fit."""
    return _DECOYS.get(_ONE_NAME.get(algorithm, algorithm), _DECOYS["ES256"])
