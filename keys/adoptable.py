"""Keys that were made elsewhere, read strictly from PEM (RFC 7468, RFC 5958) or JWK (RFC 7517)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from keys.algorithms import ALGORITHMS, ML_DSA_PRIVATE, RSA_BITS, Purpose, algorithm_named
from keys.compact import plain_object
from keys.errors import AdoptionRefused, ForeignKeyRefused, KeysError, TokenRefused
from keys.foreign_keys import clean_jwks
from keys.jwk import from_base64url, key_members, thumbprint, to_public_key

MOST_BYTES = 65_536
_LEAST_EXPONENT = 65_537
_MOST_EXPONENT_BITS = 32
_FERMAT_BITS = 100  # FIPS 186-5 §A.1.1: the primes differ in their first 100 bits
# What a header can carry and a shell can paste; behind a command one that begins with a hyphen needs `--`.
_KID = re.compile(r"[A-Za-z0-9_.~:=+/@-]{1,255}", re.ASCII)
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class AdoptableKey:
    """A sound key.

    Attributes:
        algorithm: the `alg` of the ring that it fits.
        bits: the length of an RSA modulus, or None.
        kid: the one that its JWK named, or its thumbprint.
        public_jwk: as a row holds it, but for the kid.
        private: its private half; None where it came without.
    """

    algorithm: str
    bits: int | None
    kid: str
    public_jwk: Mapping[str, str]
    private: PrivateKeyTypes | None = field(repr=False)


def read_key(raw: bytes, *, algorithm: str | None, passphrase: bytes | None) -> AdoptableKey:
    """A key from a file, as far from trusted as any other input.

    Arguments:
        raw: PEM, or a JWK in JSON.
        algorithm: the `alg` that it is to have; by its kind if left out (RS256 for RSA).
        passphrase: of an encrypted PEM.

    Raises:
        AdoptionRefused: it is neither, malformed, weak, inconsistent, of a kind that no ring has, or not for this
            algorithm; no part of the key is repeated in the message.
    """
    if len(raw) > MOST_BYTES:
        raise AdoptionRefused(f"A key takes {MOST_BYTES} bytes at most.")
    kid, named = None, None
    if raw.lstrip()[:1] == b"{":
        if passphrase is not None:
            raise AdoptionRefused("A JWK is not encrypted: leave the passphrase out.")
        jwk = _jwk(raw)
        kid, named = jwk.get("kid"), jwk.get("alg")
        key = _from_jwk(jwk)
    else:
        key = _from_pem(raw, passphrase)
    public = key.public_key() if hasattr(key, "public_key") else key
    name = _algorithm_of(public, named, algorithm)
    members = key_members(public, name)
    _check_strength(public, members)
    private = key if hasattr(key, "private_bytes") else None
    if isinstance(private, rsa.RSAPrivateKey):
        _check_primes(private)
    bits = public.key_size if isinstance(public, rsa.RSAPublicKey) else None
    return AdoptableKey(name, bits, checked_kid(kid or thumbprint(members)), members, private)


def checked_kid(kid: object) -> str:
    """A kid, once a header can carry it and a shell can paste it.

    Raises:
        AdoptionRefused: it is something else.
    """
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise AdoptionRefused(
            "A kid has 1 to 255 letters, digits or characters of _ . ~ : = + / @ - here: name one with --kid."
        )
    return kid


def _from_pem(raw: bytes, passphrase: bytes | None) -> Any:
    if b"-----BEGIN" not in raw:
        raise AdoptionRefused("This is neither PEM nor a JWK in JSON.")
    if raw.count(b"-----BEGIN") > 1:
        raise AdoptionRefused("The file holds more than one key or a certificate: leave one key in it.")
    try:
        if b"PUBLIC KEY-----" in raw:
            return serialization.load_pem_public_key(raw)
        return serialization.load_pem_private_key(raw, passphrase)
    except TypeError:
        raise AdoptionRefused(
            "The key is encrypted: name a file with its passphrase by --passphrase-file."
            if passphrase is None
            else "The key is not encrypted: leave the passphrase out."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise AdoptionRefused("The PEM is malformed or inconsistent, or the passphrase is wrong.") from None


def _jwk(raw: bytes) -> dict[str, Any]:
    try:
        found = plain_object(raw.decode("utf-8"), "The JWK")
    except (UnicodeDecodeError, TokenRefused):
        raise AdoptionRefused("The JWK is not plain JSON with each member once.") from None
    texts = [found.get(name) for name in ("kty", "kid", "alg", "use", "crv", *_PRIVATE_MEMBERS)]
    if not all(isinstance(text, str | None) for text in texts) or "oth" in found:
        raise AdoptionRefused("The JWK has a member of a wrong type, or an RSA key of more than two primes.")
    if found.get("use", "sig") != "sig":
        raise AdoptionRefused("The JWK is not for signatures: its use is another one.")
    return found


_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "priv", "k")


def _from_jwk(jwk: Mapping[str, Any]) -> Any:
    try:
        public = to_public_key(jwk)
        if not any(name in jwk for name in _PRIVATE_MEMBERS):
            return public
        private = _MAKERS[jwk["kty"]](jwk, public)
    except (KeysError, KeyError, ValueError, TypeError, UnsupportedAlgorithm):
        raise AdoptionRefused("The JWK is malformed or inconsistent, or of a kind that no ring has.") from None
    if _raw(private.public_key()) != _raw(public):
        raise AdoptionRefused("The public half of the JWK is not that of its private half.")
    return private


def _raw(key: Any) -> bytes:
    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(from_base64url(jwk[name]), "big")


def _elliptic(jwk: Mapping[str, Any], public: Any) -> Any:
    return ec.derive_private_key(_number(jwk, "d"), public.curve)


def _rsa(jwk: Mapping[str, Any], public: Any) -> Any:
    p, q, d, dp, dq, qi = (_number(jwk, name) for name in ("p", "q", "d", "dp", "dq", "qi"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public.public_numbers()).private_key()


def _octets(jwk: Mapping[str, Any], public: Any) -> Any:
    if not isinstance(public, ed25519.Ed25519PublicKey):
        raise TypeError("Not for signatures.")
    return ed25519.Ed25519PrivateKey.from_private_bytes(from_base64url(jwk["d"]))


def _lattice(jwk: Mapping[str, Any], _public: Any) -> Any:
    return ML_DSA_PRIVATE[jwk["alg"]].from_seed_bytes(from_base64url(jwk["priv"]))


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], Any], Any]] = {
    "EC": _elliptic,
    "RSA": _rsa,
    "OKP": _octets,
    "AKP": _lattice,
}


def _algorithm_of(public: Any, named: str | None, wanted: str | None) -> str:
    """The one `alg` of the key: what its JWK names, or what is asked for, or what fits its kind."""
    fitting = _fitting(public)
    names = [algorithm_named(name).name for name in (named, wanted) if name is not None and _is_known(name)]
    if not fitting or len(names) < sum(name is not None for name in (named, wanted)):
        raise AdoptionRefused("No ring signs with a key of this kind, or with the algorithm that is named for it.")
    if len(set(names)) > 1 or (names and names[0] not in fitting):
        raise AdoptionRefused(f"The key is for {' or '.join(fitting)}, not for the algorithm that is named.")
    return names[0] if names else fitting[0]


def _is_known(name: str) -> bool:
    return any(name == row.name or name in row.aliases for row in ALGORITHMS if Purpose.SIGN in row.purposes)


def _fitting(public: Any) -> Sequence[str]:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return [_CURVES[public.curve.name]] if public.curve.name in _CURVES else []
    if isinstance(public, rsa.RSAPublicKey):
        return ["RS256", "PS256"]
    if isinstance(public, ed25519.Ed25519PublicKey):
        return ["Ed25519"]
    return [name for name in ML_DSA_PRIVATE if _is_lattice(public, name)]


def _is_lattice(public: PublicKeyTypes, name: str) -> bool:
    try:
        return key_members(public, name)["kty"] == "AKP"
    except KeysError:
        return False


def _check_strength(public: Any, members: Mapping[str, str]) -> None:
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        if public.key_size not in RSA_BITS:
            lengths = ", ".join(str(length) for length in sorted(RSA_BITS))
            raise AdoptionRefused(f"RSA keys have {lengths} bits here, not {public.key_size}.")
        odd = numbers.e % 2 == 1 and numbers.n % 2 == 1
        if not odd or numbers.e < _LEAST_EXPONENT or numbers.e.bit_length() > _MOST_EXPONENT_BITS:
            raise AdoptionRefused("The exponent of an RSA key is odd and lies between 65537 and 2^32 here.")
    if members["kty"] in ("EC", "OKP"):
        try:  # points of small order among them
            clean_jwks({"keys": [dict(members)]})
        except ForeignKeyRefused as error:
            raise AdoptionRefused("The key is weak: everybody could sign with it.") from error


def _check_primes(private: rsa.RSAPrivateKey) -> None:
    """Primes that lie side by side are found from the modulus alone (Fermat)."""
    numbers = private.private_numbers()
    if abs(numbers.p - numbers.q).bit_length() <= private.key_size // 2 - _FERMAT_BITS:
        raise AdoptionRefused("The primes of the RSA key lie so near each other that anybody can find them.")
