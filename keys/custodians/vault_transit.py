"""The custodian 'vault': the transit engine of Vault or OpenBao wraps data keys, or keeps private keys and signs.

What it asks and what it is answered is documented at https://developer.hashicorp.com/vault/api-docs/secret/transit
and https://openbao.org/api-docs/secret/transit/. A key signs with its first version alone, so that a rotation
in Vault, which no verifier was told of, changes nothing.
"""

import base64
import binascii
import re
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from keys.custodians.binding import associated_data
from keys.custodians.remote_key import RemoteKey
from keys.custodians.vault_client import Gone, Rejected, ask, unexpected, wrapping_key_name
from keys.errors import CustodianRefused, MissingMasterSecret, SealBroken, UnavailableAlgorithm

_ID_PREFIX = "vault/"
_WRAPPING_TYPE = "aes256-gcm96"
_CIPHERTEXT = re.compile(r"vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]+={0,2})", re.ASCII)
_SIGNATURE = re.compile(r"vault:v1:([A-Za-z0-9+/_-]+)={0,2}", re.ASCII)
_KEY_TYPES = {"ES256": "ecdsa-p256", "ES384": "ecdsa-p384", "ES512": "ecdsa-p521", "Ed25519": "ed25519"}
_RSA = {"RS256": "pkcs1v15", "PS256": "pss"}
_RSA_BITS = frozenset({2048, 3072, 4096})
_HASHES = {"ES384": "sha2-384", "ES512": "sha2-512"}
_REFERENCE = re.compile(r"signet-(es256|es384|es512|ed25519|rs256|ps256)-[0-9a-f]{32}", re.ASCII)


class VaultCustodian:
    """Keys of the transit engine at `IDP_VAULT_URL`."""

    name = "vault"
    remote_algorithms = frozenset({*_KEY_TYPES, *_RSA})

    def wrapping_id(self) -> str:
        """`vault/` and the name of the wrapping key; a version that is rotated in Vault is the same secret."""
        return _ID_PREFIX + wrapping_key_name()

    def wrap(self, data_key: bytes, *, purpose: str, bound: bytes) -> bytes:
        """Encrypt a data key with the wrapping key, whose name and purpose are bound to it too."""
        name = wrapping_key_name()
        answer = ask(
            "encrypt_data",
            name=name,
            plaintext=_base64(data_key),
            associated_data=_base64(associated_data(_ID_PREFIX + name, purpose, bound)),
        )
        ciphertext = str(answer.get("ciphertext", ""))
        if not _CIPHERTEXT.fullmatch(ciphertext):
            raise unexpected()
        return ciphertext.encode("ascii")

    def unwrap(self, wrapped: bytes, *, secret_id: str, purpose: str, bound: bytes) -> bytes:
        """Decrypt a data key.

        Raises:
            MissingMasterSecret: it wasn't wrapped by Vault.
            SealBroken: altered, moved, or wrapped by another key of this name.
        """
        name = secret_id.removeprefix(_ID_PREFIX)
        if not secret_id.startswith(_ID_PREFIX) or not name or "/" in name:
            raise MissingMasterSecret(f"A value was sealed under {secret_id!r}, which is no key of Vault.")
        broken = SealBroken(
            f"A sealed value doesn't open with Vault's key {name!r}: either this is not the key that once had "
            f"this name, or the value was altered or moved."
        )
        text = wrapped.decode("ascii", errors="replace")
        if not _is_canonical(text):
            raise broken
        try:
            answer = ask(
                "decrypt_data",
                name=name,
                ciphertext=text,
                associated_data=_base64(associated_data(secret_id, purpose, bound)),
            )
        except Rejected as error:
            raise broken from error
        try:
            return base64.b64decode(str(answer["plaintext"]), validate=True)
        except (KeyError, ValueError) as error:
            raise unexpected() from error

    def make_key(self, *, algorithm: str, bits: int | None) -> RemoteKey:
        """Make a key that can't be exported or backed up in clear, and read back that it is so.

        Raises:
            UnavailableAlgorithm: Vault makes no such keys.
            CustodianRefused: it would let the private half out; the key is destroyed again.
        """
        if algorithm not in self.remote_algorithms or (algorithm in _RSA and bits not in _RSA_BITS):
            raise UnavailableAlgorithm(f"The custodian 'vault' makes no keys for {algorithm}, {bits or 'no'} bits.")
        kind = f"rsa-{bits}" if algorithm in _RSA else _KEY_TYPES[algorithm]
        reference = f"signet-{algorithm.lower()}-{secrets.token_hex(16)}"
        ask("create_key", name=reference, key_type=kind, exportable=False, allow_plaintext_backup=False)
        try:
            return RemoteKey(reference, _public(_sound_key(reference, kind), algorithm))
        except Exception:
            self.destroy(reference)
            raise

    def sign(self, message: bytes, *, reference: str, algorithm: str) -> bytes:
        """Sign with a key of Vault (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1)."""
        match = _REFERENCE.fullmatch(reference)
        if match is None or match[1] != algorithm.lower():
            raise CustodianRefused(f"Vault has no such key for {algorithm}.")
        asked: dict[str, Any] = {"marshaling_algorithm": "jws"}  # r ‖ s, and base64url around it
        if algorithm in _RSA:
            asked |= {"signature_algorithm": _RSA[algorithm]}
        if algorithm == "PS256":
            asked |= {"salt_length": "hash"}  # RFC 7518 §3.5; Vault's default is the longest that there is
        if algorithm != "Ed25519":
            asked |= {"hash_algorithm": _HASHES.get(algorithm, "sha2-256")}
        answer = ask("sign_data", name=reference, hash_input=_base64(message), prehashed=False, key_version=1, **asked)
        found = _SIGNATURE.fullmatch(str(answer.get("signature", "")))
        if found is None:
            raise unexpected()
        text = found[1].replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4))

    def destroy(self, reference: str) -> None:
        """Allow the deletion of a key, which no key allows by itself, and delete it."""
        if not _REFERENCE.fullmatch(reference):
            raise CustodianRefused("Vault has no such key.")
        try:
            ask("update_key_configuration", name=reference, deletion_allowed=True)
            ask("delete_key", name=reference)
        except (Rejected, Gone):
            try:
                ask("read_key", name=reference)
            except Gone:
                return  # somebody was here before
            raise

    def make_wrapping_key(self) -> str:
        """Make the key that `IDP_VAULT_KEY` names; for `manage.py make_wrapping_key`."""
        name = wrapping_key_name()
        try:
            ask("read_key", name=name)
        except Gone:
            ask("create_key", name=name, key_type=_WRAPPING_TYPE, exportable=False, allow_plaintext_backup=False)
            _sound_key(name, _WRAPPING_TYPE)
            return _ID_PREFIX + name
        raise CustodianRefused(f"Vault has a key {name!r} already: nothing was made.")


def _sound_key(name: str, kind: str) -> dict[str, Any]:
    """What Vault says of a key, once that says that the key never leaves it."""
    answer = ask("read_key", name=name)
    wanted = {"type": kind, "exportable": False, "allow_plaintext_backup": False, "derived": False}
    wrong = [member for member, value in wanted.items() if answer.get(member) != value]
    if wrong or answer.get("imported") or answer.get("imported_key"):
        raise CustodianRefused(f"A key of Vault could leave it, or is another than asked for ({', '.join(wrong)}).")
    return answer


def _public(answer: dict[str, Any], algorithm: str) -> PublicKeyTypes:
    """The public half of a key's first version: PEM, and for Ed25519 the base64 of its 32 bytes."""
    try:
        text = str(answer["keys"]["1"]["public_key"])
        if algorithm == "Ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
        return load_pem_public_key(text.encode("ascii"))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise unexpected() from error


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _is_canonical(text: str) -> bool:
    """Whether this is a ciphertext in the one way to write it: Vault itself overlooks stray bits of base64."""
    match = _CIPHERTEXT.fullmatch(text)
    try:
        return match is not None and _base64(base64.b64decode(match[1], validate=True)) == match[1]
    except ValueError:
        return False
