"""A stand-in for Vault's transit engine: documented shapes of answers around real cryptography. It is no Vault.

Where the shapes come from:
- https://developer.hashicorp.com/vault/api-docs/secret/transit and https://openbao.org/api-docs/secret/transit/:
  "Create key", "Read key", "Delete key", "Update key configuration", "Encrypt data", "Decrypt data", "Sign data"
  (of `marshaling_algorithm`: "jws" also changes the encoding to URL-safe base64; of `salt_length`: "auto" is as
  large as possible).
- https://developer.hashicorp.com/vault/api-docs: errors are `{"errors": [...]}`; 400 for an invalid request, 403
  for a token that may not, 404 for what isn't there, 503 while sealed. The texts of errors are this file's own.
"""

import base64
import hmac
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_CURVES: dict[str, ec.EllipticCurve] = {
    "ecdsa-p256": ec.SECP256R1(),
    "ecdsa-p384": ec.SECP384R1(),
    "ecdsa-p521": ec.SECP521R1(),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha2-256": hashes.SHA256(),
    "sha2-384": hashes.SHA384(),
    "sha2-512": hashes.SHA512(),
}


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.status, self.errors = status, list(errors)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


@dataclass
class Transit:
    """The engine and its keys.

    Attributes:
        token: the one that may do everything.
        answer: where it isn't None, every call is answered by this status and body.
        seen: method, path, namespace and body of every request.
    """

    token: str
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    answer: tuple[int, bytes] | None = None
    seen: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)

    def handle(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:  # noqa: PLR0911
        match method, *path.removeprefix("/v1/transit/").split("/"):
            case "POST", "keys", name:
                self._create(name, body)
                return None
            case "GET", "keys", name:
                return self._read(name)
            case "POST", "keys", name, "config":
                self._key(name, "no existing key named that could be found").update(body)
                return None
            case "DELETE", "keys", name:
                if not self._key(name, "could not delete key; not found")["deletion_allowed"]:
                    raise Refusal(400, "deletion is not allowed for this key")
                del self.keys[name]
                return None
            case "POST", "encrypt", name:
                return self._encrypt(self._key(name), body)
            case "POST", "decrypt", name:
                return self._decrypt(self._key(name), body)
            case "POST", "sign", name, *rest:
                return self._sign(self._key(name), {**body, **({"hash_algorithm": rest[0]} if rest else {})})
        raise Refusal(404)

    def _key(self, name: str, missing: str = "encryption key not found") -> dict[str, Any]:
        if name not in self.keys:
            raise Refusal(400, missing)
        return self.keys[name]

    def _create(self, name: str, body: dict[str, Any]) -> None:
        kind: str = body.get("type", "aes256-gcm96")
        private: Any = None
        if kind in _CURVES:
            private = ec.generate_private_key(_CURVES[kind])
        elif kind == "ed25519":
            private = ed25519.Ed25519PrivateKey.generate()
        elif kind.startswith("rsa-"):
            private = rsa.generate_private_key(65_537, int(kind[4:]))
        self.keys.setdefault(
            name,
            {
                "type": kind, "exportable": body.get("exportable", False), "derived": body.get("derived", False),
                "allow_plaintext_backup": body.get("allow_plaintext_backup", False), "deletion_allowed": False,
                "private": private, "secret": os.urandom(32),
            },
        )  # fmt: skip

    def _read(self, name: str) -> dict[str, Any]:
        if name not in self.keys:
            raise Refusal(404)
        key = self.keys[name]
        version: Any = 1_442_851_412
        if key["private"] is not None:
            public = key["private"].public_key()
            raw = isinstance(public, ed25519.Ed25519PublicKey)
            text = (
                base64.b64encode(public.public_bytes_raw()).decode()
                if raw
                else public.public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                ).decode()
            )
            version = {"creation_time": "2015-09-21T18:36:52Z", "name": key["type"], "public_key": text}
        shown = {member: value for member, value in key.items() if member not in ("private", "secret")}
        return {**shown, "name": name, "keys": {"1": version}, "latest_version": 1, "imported": False}

    def _encrypt(self, key: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        nonce = os.urandom(12)
        bound = _decoded(body.get("associated_data", ""))
        sealed = nonce + AESGCM(key["secret"]).encrypt(nonce, _decoded(body["plaintext"]), bound)
        return {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}

    def _decrypt(self, key: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        prefix, version, text = body["ciphertext"].split(":", 2)
        try:
            if (prefix, version) != ("vault", "v1"):
                raise ValueError(version)  # noqa: TRY301
            sealed, bound = base64.b64decode(text), _decoded(body.get("associated_data", ""))
            opened = AESGCM(key["secret"]).decrypt(sealed[:12], sealed[12:], bound)
        except (InvalidTag, ValueError) as error:
            raise Refusal(400, "cipher: message authentication failed") from error
        return {"plaintext": base64.b64encode(opened).decode()}

    def _sign(self, key: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        message, private, hashed = (
            _decoded(body["input"]),
            key["private"],
            _HASHES[body.get("hash_algorithm", "sha2-256")],
        )
        if isinstance(private, ed25519.Ed25519PrivateKey):
            signature = private.sign(message)
        elif isinstance(private, rsa.RSAPrivateKey):
            longest = padding.PSS.DIGEST_LENGTH if body.get("salt_length") == "hash" else padding.PSS.MAX_LENGTH
            pss = body.get("signature_algorithm", "pss") == "pss"
            signature = private.sign(
                message, padding.PSS(padding.MGF1(hashed), longest) if pss else padding.PKCS1v15(), hashed
            )
        else:
            assert isinstance(private, ec.EllipticCurvePrivateKey)
            signature = private.sign(message, ec.ECDSA(hashed))
            if body.get("marshaling_algorithm") == "jws":
                half = (private.key_size + 7) // 8
                signature = b"".join(part.to_bytes(half, "big") for part in decode_dss_signature(signature))
        if body.get("marshaling_algorithm") == "jws":
            text = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
        else:
            text = base64.b64encode(signature).decode()
        return {"signature": f"vault:v1:{text}", "key_version": 1}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    transit: Transit

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else {}
        transit = self.transit
        transit.seen.append((self.command, self.path, self.headers.get("X-Vault-Namespace", ""), body))
        if transit.answer is not None:
            self._send(*transit.answer)
            return
        try:
            if not hmac.compare_digest(self.headers.get("X-Vault-Token", ""), transit.token):
                raise Refusal(403, "permission denied")  # noqa: TRY301
            found = transit.handle(self.command, self.path, body)
        except Refusal as refusal:
            self._send(refusal.status, json.dumps({"errors": refusal.errors}).encode())
            return
        if found is None:
            self._send(204, b"")
            return
        envelope = {"request_id": "", "lease_id": "", "renewable": False, "lease_duration": 0, "data": found}
        self._send(200, json.dumps(envelope).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  (the name of the base class)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)


@dataclass(frozen=True)
class RunningVault:
    """The stand-in behind an address."""

    url: str
    transit: Transit
    stop: Any


@contextmanager
def running_vault(token: str) -> Iterator[RunningVault]:
    """Serve one engine on a port of its own."""
    transit = Transit(token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"transit": transit}))
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()

    def stop() -> None:
        """Nobody answers any more, not on the connections that are open either."""
        transit.answer = (503, b'{"errors": ["Vault is sealed"]}')
        server.shutdown()
        server.server_close()

    try:
        yield RunningVault(f"http://127.0.0.1:{server.server_port}", transit, stop)
    finally:
        stop()
        thread.join()
