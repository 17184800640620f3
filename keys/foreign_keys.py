"""Public keys that clients register, read strictly (RFC 7517, RFC 8725 §3.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from keys.compact import plain_object
from keys.errors import ForeignKeyRefused, KeysError, TokenRefused
from keys.jwk import from_base64url, key_members, to_public_key

MAX_KEYS = 20
MAX_TEXT = 65_536  # twenty RSA keys of 8192 bits with room for members that nobody needs
_MAX_KID = 256
_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192  # verifying with a longer one would be a way to be slow
_MOST_RSA_EXPONENT_BITS = 32  # and so would one with a larger exponent
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_KEPT_MEMBERS = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e")
_ALGORITHMS: dict[tuple[str, str | None], tuple[str, ...]] = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("Ed25519", "EdDSA"),
    ("RSA", None): ("RS256", "PS256"),
}
_ONE_NAME = {"EdDSA": "Ed25519"}  # RFC 9864 §2.2
ALGORITHMS = tuple(name for names in _ALGORITHMS.values() for name in names)
# The points of small order of Edwards25519, in every encoding: under such a key everybody can sign. Only the y
# coordinates stand here, since the sign bit is cut off before they are compared.
_P = 2**255 - 19
_ORDER_8 = (
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)
_SMALL_ORDER = frozenset(y.to_bytes(32, "little") for y in (0, 1, _P - 1, _P, _P + 1, *_ORDER_8))


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A key of somebody else: its id, the one algorithm that it may be used with, and itself."""

    kid: str
    algorithm: str
    public_key: PublicKeyTypes


def parse_jwks(text: str) -> dict[str, Any]:
    """A JWK Set as somebody hands it in: strict JSON, and sound.

    Arguments:
        text: the JSON.

    Returns:
        See `clean_jwks`.

    Raises:
        ForeignKeyRefused: it is too long, not JSON with each member once, or see `read_jwks`.
    """
    if len(text) > MAX_TEXT:
        raise ForeignKeyRefused(f"A JWK Set has at most {MAX_TEXT} characters.")
    try:
        document = plain_object(text, "The JWK Set")
    except TokenRefused as error:
        raise ForeignKeyRefused(str(error)) from None
    return clean_jwks(document)


def clean_jwks(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a JWK Set: the members that are used here, and no certificate, comment or surprise.

    Raises:
        ForeignKeyRefused: see `read_jwks`.
    """
    read_jwks(document)
    return {"keys": [{name: jwk[name] for name in _KEPT_MEMBERS if name in jwk} for jwk in document["keys"]]}


def read_jwks(document: Mapping[str, Any]) -> Sequence[ForeignKey]:
    """The signature keys of a JWK Set.

    A key's algorithm is its `alg`, or the first that fits its type: it is never the token's to choose.

    Arguments:
        document: the JWK Set, from JSON. Keys of another `use` are held against the same form and passed over.

    Raises:
        ForeignKeyRefused: a key is malformed, private, too weak or of an unknown kind, two share a kid,
            or there are none or too many. The message doesn't repeat the key.
    """
    keys = document.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= MAX_KEYS:
        raise ForeignKeyRefused(f"A JWK Set has a list of 1 to {MAX_KEYS} keys.")
    for jwk in keys:
        _check_members(jwk)
    found = [_read(jwk) for jwk in keys if jwk.get("use", "sig") == "sig"]
    if not found:
        raise ForeignKeyRefused("No key of the JWK Set is one for signatures.")
    kids = [key.kid for key in found]
    if len(set(kids)) != len(kids):
        raise ForeignKeyRefused("Each key of a JWK Set needs a kid of its own.")
    return found


def _check_members(jwk: Any) -> None:
    """Every member that is used here is a text that a column can hold, and none is private."""
    if not isinstance(jwk, dict):
        raise ForeignKeyRefused("A key of the JWK Set is no JWK.")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ForeignKeyRefused("A JWK Set of public keys holds a private one: make a new key, this one has leaked.")
    texts = [jwk[name] for name in _KEPT_MEMBERS if name in jwk]
    if not all(isinstance(text, str) and text.isprintable() for text in texts) or len(jwk.get("kid", "")) > _MAX_KID:
        raise ForeignKeyRefused("A key of the JWK Set is no JWK.")


def _read(jwk: Mapping[str, str]) -> ForeignKey:
    fitting = _ALGORITHMS.get((jwk.get("kty", ""), jwk.get("crv")), ())
    algorithm = jwk.get("alg", next(iter(fitting), ""))
    if algorithm not in fitting:
        raise ForeignKeyRefused("A key of the JWK Set has a type or an algorithm that is not used here.")
    try:
        key = to_public_key(jwk)
        weak = isinstance(key, ed25519.Ed25519PublicKey) and _is_of_small_order(from_base64url(jwk["x"]))
    except (KeysError, KeyError, ValueError) as error:
        raise ForeignKeyRefused("A key of the JWK Set is malformed.") from error
    if weak:
        raise ForeignKeyRefused("A key of the JWK Set is a point of small order, under which everybody can sign.")
    if isinstance(key, rsa.RSAPublicKey):
        _check_rsa(key)
    return ForeignKey(jwk.get("kid", ""), _ONE_NAME.get(algorithm, algorithm), key)


def _is_of_small_order(raw: bytes) -> bool:
    return bytes([*raw[:-1], raw[-1] & 0x7F]) in _SMALL_ORDER


def _check_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    if not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        raise ForeignKeyRefused(f"RSA keys have {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} bits.")
    if numbers.n % 2 == 0 or numbers.e.bit_length() > _MOST_RSA_EXPONENT_BITS:
        raise ForeignKeyRefused("An RSA key of the JWK Set has an even modulus or an absurd exponent.")


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
