"""The document that keys leave in and come back by: JSON, sealed as a whole (RFC 7914, AES-256-GCM), read strictly.

Outside stands only how it is sealed, and that is bound to what is inside. Inside stand rings with their policies,
and keys with their timetables and both halves.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keys.compact import plain_object
from keys.errors import ExportRefused, TokenRefused
from keys.jwk import base64url, from_base64url

FORMAT, VERSION = "signet keys", 1
MOST_BYTES = 32 * 1024 * 1024
SHORTEST_PASSPHRASE = 20
LONGEST_PASSPHRASE = 1024
PURPOSE = "key-export"
_NONCE_BYTES, _SALT_BYTES, _KEY_BYTES = 12, 16, 32
_COST = 2**17  # with 8 blocks: 128 MiB, half a second
_COSTS = tuple(2**power for power in range(15, 21))  # what is asked for on reading stays below 1 GiB
_BLOCKS = 8
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_MOST_RINGS, _MOST_KEYS, _MOST_TEXT = 10_000, 100_000, 20_000


@dataclass(frozen=True, slots=True)
class ExportedKey:
    """One key; moments aware, `private` as it is sealed in a row: PKCS #8, or the bytes of a symmetric key."""

    kid: str
    public_jwk: Mapping[str, str] | None
    private: bytes | None = field(repr=False)
    custodian: str
    custodian_reference: str
    max_lifetime: timedelta
    published_at: datetime
    activates_at: datetime
    deactivates_at: datetime | None
    unpublishes_at: datetime | None
    compromised_at: datetime | None
    destroyed_at: datetime | None
    withdrawn_at: datetime | None
    ends_ring: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ExportedRing:
    """One ring with its policy and all its keys, by the name of its realm."""

    realm: str
    issuer: str
    purpose: str
    algorithm: str
    bits: int | None
    custodian: str
    custody: str
    rotation_period: timedelta
    propagation: timedelta
    max_token_lifetime: timedelta
    clock_skew: timedelta
    verifier_leeway: timedelta
    patience: timedelta
    retired_at: datetime | None
    keys: Sequence[ExportedKey]


@dataclass(frozen=True, slots=True)
class KeyExport:
    """All that an export holds."""

    exported_at: datetime
    rings: Sequence[ExportedRing]


@dataclass(frozen=True, slots=True)
class Seal:
    """What a document is sealed with, before it is opened.

    Attributes:
        header: all that stands outside, bound to what is inside.
        key: the 256 bits that seal it.
    """

    header: Mapping[str, Any]
    key: bytes = field(repr=False)


# Wraps or unwraps a data key: (bytes, associated data) → bytes.
Wrapper = Callable[[bytes, bytes], bytes]


def check_passphrase(passphrase: bytes) -> bytes:
    """A passphrase, once it is long enough for a file that anybody may guess at for years.

    Raises:
        ExportRefused: it is too short, or absurdly long.
    """
    if not SHORTEST_PASSPHRASE <= len(passphrase) <= LONGEST_PASSPHRASE or len(set(passphrase)) < _LEAST_DISTINCT:
        raise ExportRefused(
            f"The passphrase has at least {SHORTEST_PASSPHRASE} characters, {_LEAST_DISTINCT} of them different: "
            f"make one with openssl rand -base64 24."
        )
    return passphrase


_LEAST_DISTINCT = 8


def passphrase_seal(passphrase: bytes) -> Seal:
    """A new seal under a passphrase (scrypt, RFC 7914).

    Raises:
        ExportRefused: see `check_passphrase`.
    """
    check_passphrase(passphrase)
    salt = secrets.token_bytes(_SALT_BYTES)
    header = {"seal": "scrypt", "salt": base64url(salt), "cost": _COST, "blocks": _BLOCKS}
    return Seal(header, _stretched(passphrase, salt, _COST))


def custodian_seal(name: str, *, secret_id: str, wrap: Wrapper) -> Seal:
    """A new seal under a custodian, which wraps its key.

    Arguments:
        name: the custodian's.
        secret_id: of the secret that `wrap` uses.
        wrap: wraps 32 bytes, bound to the rest of the header.
    """
    key = secrets.token_bytes(_KEY_BYTES)
    header = {"seal": "custodian", "custodian": name, "secret_id": secret_id}
    return Seal({**header, "wrapped_key": base64url(wrap(key, _bound(header)))}, key)


def to_document(export: KeyExport, seal: Seal) -> bytes:
    """The document: one JSON object of which nothing can be changed unnoticed."""
    header = {"format": FORMAT, "version": VERSION, **seal.header}
    nonce = secrets.token_bytes(_NONCE_BYTES)
    inside = json.dumps(_plain(export), sort_keys=True, separators=(",", ":")).encode("utf-8")
    sealed = nonce + AESGCM(seal.key).encrypt(nonce, inside, _bound(header))
    return json.dumps({**header, "sealed": base64url(sealed)}, indent=1).encode("ascii") + b"\n"


def sealed_by_passphrase(raw: bytes) -> bool:
    """Whether a document says that a passphrase opens it; what is no document is refused later.

    Raises:
        ExportRefused: it is no plain JSON, or too long.
    """
    if len(raw) > MOST_BYTES:
        raise ExportRefused(f"An export takes {MOST_BYTES} bytes at most.")
    return _object(raw, "The export").get("seal") == "scrypt"


def from_document(raw: bytes, *, passphrase: bytes | None, unwrap: Callable[[str, str], Wrapper] | None) -> KeyExport:
    """What a document holds, once it is proved to be whole.

    Arguments:
        raw: the document, however hostile.
        passphrase: what it was sealed with, or None.
        unwrap: gives what unwraps a key, by a custodian's name and the id of its secret; or None.

    Raises:
        ExportRefused: it is no such document, altered, or sealed with something else; the message repeats nothing.
    """
    if len(raw) > MOST_BYTES:
        raise ExportRefused(f"An export takes {MOST_BYTES} bytes at most.")
    outside = _object(raw, "The export")
    if outside.get("format") != FORMAT or outside.get("version") != VERSION or type(outside["version"]) is not int:
        raise ExportRefused(f"This is no export of keys of version {VERSION}.")
    sealed = _octets(outside.pop("sealed", None))
    key = _opening_key(outside, passphrase, unwrap)
    try:
        inside = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(outside))
    except (InvalidTag, ValueError):
        raise ExportRefused("The export doesn't open: the passphrase is wrong, or the file was altered.") from None
    return _read_export(_object(inside, "The inside of the export"))


def _opening_key(
    outside: Mapping[str, Any], passphrase: bytes | None, unwrap: Callable[[str, str], Wrapper] | None
) -> bytes:
    kind = outside.get("seal")
    if kind == "scrypt":
        _members(outside, {"format", "version", "seal", "salt", "cost", "blocks"})
        salt, cost = _octets(outside["salt"]), outside["cost"]
        if len(salt) != _SALT_BYTES or type(cost) is not int or cost not in _COSTS or outside["blocks"] != _BLOCKS:
            raise ExportRefused("The export asks for scrypt with numbers that no export has.")
        if passphrase is None:
            raise ExportRefused("The export is sealed under a passphrase: name a file with it by --passphrase-file.")
        return _stretched(passphrase[: LONGEST_PASSPHRASE + 1], salt, cost)
    if kind == "custodian":
        _members(outside, {"format", "version", "seal", "custodian", "secret_id", "wrapped_key"})
        name, secret_id = _text(outside["custodian"]), _text(outside["secret_id"])
        if passphrase is not None or unwrap is None:
            raise ExportRefused(f"The export is sealed by the custodian {name[:32]!r}: leave the passphrase out.")
        bound = {"seal": kind, "custodian": name, "secret_id": secret_id}
        return unwrap(name, secret_id)(_octets(outside["wrapped_key"]), _bound(bound))
    raise ExportRefused("The export is sealed in a way that is not known here.")


def _stretched(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=cost, r=_BLOCKS, p=1).derive(passphrase)


def _bound(header: Mapping[str, Any]) -> bytes:
    """All that stands outside, in the one form in which it is bound."""
    said = json.dumps(header, sort_keys=True, separators=(",", ":")).encode("utf-8")
    return b"signet key export\0" + hashlib.sha256(said).digest()


def _plain(value: Any) -> Any:
    """Values as JSON can hold them; lengths of time in seconds, moments in ISO 8601, octets in base64url."""
    if isinstance(value, KeyExport | ExportedRing | ExportedKey):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return base64url(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def _read_export(inside: Mapping[str, Any]) -> KeyExport:
    _members(inside, {each.name for each in fields(KeyExport)})
    rings = _list(inside["rings"], _MOST_RINGS)
    return KeyExport(_moment(inside["exported_at"]), [_read_ring(ring) for ring in rings])


def _read_ring(found: Any) -> ExportedRing:
    _members(found, {each.name for each in fields(ExportedRing)})
    bits = found["bits"]
    if not (bits is None or type(bits) is int):
        raise ExportRefused("A ring of the export has a length of keys that is no number.")
    return ExportedRing(
        realm=_text(found["realm"]),
        issuer=_text(found["issuer"]),
        purpose=_text(found["purpose"]),
        algorithm=_text(found["algorithm"]),
        bits=bits,
        custodian=_text(found["custodian"]),
        custody=_text(found["custody"]),
        rotation_period=_span(found["rotation_period"]),
        propagation=_span(found["propagation"]),
        max_token_lifetime=_span(found["max_token_lifetime"]),
        clock_skew=_span(found["clock_skew"]),
        verifier_leeway=_span(found["verifier_leeway"]),
        patience=_span(found["patience"]),
        retired_at=None if found["retired_at"] is None else _moment(found["retired_at"]),
        keys=[_read_key(key) for key in _list(found["keys"], _MOST_KEYS)],
    )


def _read_key(found: Any) -> ExportedKey:
    _members(found, {each.name for each in fields(ExportedKey)})
    jwk = found["public_jwk"]
    if jwk is not None:
        if not isinstance(jwk, dict):
            raise ExportRefused("A public half in the export is no JWK.")
        jwk = {name: _text(value) for name, value in jwk.items()}
    ends = {
        name: None if found[name] is None else _moment(found[name])
        for name in ("deactivates_at", "unpublishes_at", "compromised_at", "destroyed_at", "withdrawn_at")
    }
    if type(found["ends_ring"]) is not bool:
        raise ExportRefused("A key of the export doesn't say whether its ring ends with it.")
    return ExportedKey(
        kid=_text(found["kid"]),
        public_jwk=jwk,
        private=None if found["private"] is None else _octets(found["private"]),
        custodian=_text(found["custodian"]),
        custodian_reference=_text(found["custodian_reference"]),
        max_lifetime=_span(found["max_lifetime"]),
        published_at=_moment(found["published_at"]),
        activates_at=_moment(found["activates_at"]),
        created_at=_moment(found["created_at"]),
        ends_ring=found["ends_ring"],
        **ends,
    )


def _object(raw: bytes, name: str) -> dict[str, Any]:
    try:
        return plain_object(raw.decode("utf-8"), name)
    except UnicodeDecodeError:
        raise ExportRefused(f"{name} is not UTF-8.") from None
    except TokenRefused as error:
        raise ExportRefused(str(error)) from None


def _members(found: Any, names: Any) -> None:
    if not isinstance(found, dict) or found.keys() != set(names):
        raise ExportRefused("The export lacks a member, or has one that is not known here.")


def _list(found: Any, most: int) -> list[Any]:
    if not isinstance(found, list) or len(found) > most:
        raise ExportRefused("The export holds something else than a list, or too long a one.")
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str) or len(found) > _MOST_TEXT or not (found.isprintable() or not found):
        raise ExportRefused("The export holds something else than a text, or none that a column can hold.")
    return found


def _octets(found: Any) -> bytes:
    try:
        if isinstance(found, str):
            return from_base64url(found)
    except ValueError:
        pass
    raise ExportRefused("The export holds something else than canonical base64url.")


def _moment(found: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(found))
    except ValueError:
        moment = datetime.min  # noqa: DTZ901  (refused below)
    if moment.tzinfo is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ExportRefused("The export holds a moment that is none, or has no time zone.")
    return moment.astimezone(UTC)


def _span(found: Any) -> timedelta:
    if type(found) not in (int, float) or not 0 <= found <= _LONGEST:
        raise ExportRefused("The export holds a length of time that is none.")
    return timedelta(seconds=found)


_LONGEST = timedelta(days=36_500).total_seconds()
