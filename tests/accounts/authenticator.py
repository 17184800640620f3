"""An authenticator and the browser before it, in software (Web Authentication Level 3 §6, §5.8)."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256, RS256, EdDSA

from accounts.models import Passkey, User

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def websafe(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def from_websafe(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey, and how its device and browser behave; every field may be turned into something wrong.

    Attributes:
        counts: how far the counter goes on with each signature; nought for one that doesn't count.
        flags: of what it does.
        others: members of the client data that replace or follow the usual ones.
    """

    origin: str = "https://id.example.test"
    rp_id: str = "id.example.test"
    key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes | None = None
    flags: int = UP | UV
    sign_count: int = 0
    counts: int = 1
    others: Mapping[str, Any] = field(default_factory=dict)

    def make(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `creation_options`."""
        self.user_handle = from_websafe(options["user"]["id"])
        client_data = self._client_data("webauthn.create", options["challenge"])
        attestation = {"fmt": "none", "attStmt": {}, "authData": self.data(AT, self.attested())}
        answer = {"clientDataJSON": websafe(client_data), "attestationObject": websafe(cbor.encode(attestation))}
        return self._credential({**answer, "transports": ["internal", "hybrid", "smoke"]})

    def use(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to `request_options`."""
        self.sign_count += self.counts
        client_data, data = self._client_data("webauthn.get", options["challenge"]), self.data()
        answer = {
            "clientDataJSON": websafe(client_data),
            "authenticatorData": websafe(data),
            "signature": websafe(self._sign(data + hashlib.sha256(client_data).digest())),
            "userHandle": None if self.user_handle is None else websafe(self.user_handle),
        }
        return self._credential(answer)

    def data(self, more_flags: int = 0, rest: bytes = b"") -> bytes:
        """Authenticator data (§6.1)."""
        hashed = hashlib.sha256(self.rp_id.encode()).digest()
        return hashed + bytes([self.flags | more_flags]) + self.sign_count.to_bytes(4, "big") + rest

    def attested(self, cose: Mapping[int, Any] | None = None) -> bytes:
        """Attested credential data (§6.5.1)."""
        key = cbor.encode(cose if cose is not None else self.cose())
        return bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + key

    def cose(self) -> dict[Any, Any]:
        """The public key."""
        public: Any = self.key.public_key()
        cls: Any = EdDSA
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            cls = ES256
        elif isinstance(self.key, rsa.RSAPrivateKey):
            cls = RS256
        return dict(cls.from_cryptography_key(public))

    def _client_data(self, kind: str, challenge: str) -> bytes:
        usual = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**usual, **self.others}).encode()

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), SHA256())
        return self.key.sign(message)

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        name = websafe(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}


def enrol(device: Authenticator, person: User, name: str = "Laptop") -> Passkey:
    """A person's passkey on a device, as if it had been added before."""
    device.user_handle = person.subject.encode()
    return Passkey.objects.create(
        user=person,
        name=name,
        credential_id=device.credential_id,
        credential=device.attested(),
        sign_count=device.sign_count,
        backup_eligible=bool(device.flags & BE),
        created_at=person.created_at,
    )
