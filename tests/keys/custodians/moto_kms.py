"""AWS KMS as moto plays it, mended where it differs from what AWS documents of Sign.

moto hashes every message itself, whatever `MessageType` says, and signs with disabled keys. Here DIGEST is
signed as it is, and a key that is not enabled is refused, as the API reference says. Its DisableKey and
ScheduleKeyDeletion know no ARNs; here they do. moto has no
credentials to check; `refuse` has every call answered as IAM would.
"""

import base64
import json
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend, kms_backends
from moto.kms.responses import KmsResponse
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


class MotoKms:
    """One server on a port of its own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setattr(KmsResponse, "sign", _sign)
        for name in ("disable_key", "schedule_key_deletion"):
            patch.setattr(KmsBackend, name, _takes_arns(getattr(KmsBackend, name)))
        kms_backends.reset()  # its state is the process's
        self._server = ThreadedMotoServer(port=0, verbose=False)
        self._server.start()
        _, port = self._server.get_host_and_port()
        self.endpoint = f"http://127.0.0.1:{port}"

    def client(self) -> Any:
        """A client of the tests' own."""
        return boto3.session.Session().client("kms", region_name=REGION, endpoint_url=self.endpoint)

    def make_wrapping_key(self) -> str:
        """A symmetric key; its id."""
        return str(self.client().create_key()["KeyMetadata"]["KeyId"])

    def refuse(self, code: str = "AccessDeniedException") -> None:
        """From now on nobody is allowed anything, or every call meets another error."""

        def denied(*_: Any) -> None:
            raise JsonRESTError(code, "refused")

        for operation in ("encrypt", "decrypt", "create_key", "describe_key", "sign", "get_public_key"):
            self._patch.setattr(KmsResponse, operation, denied)

    def stop(self) -> None:
        """Nobody listens any more."""
        self._server.stop()


def _takes_arns(method: Any) -> Any:
    def by_id(self: KmsBackend, key_id: str, *others: Any, **named: Any) -> Any:
        return method(self, self.get_key_id(key_id), *others, **named)

    return by_id


def _sign(self: Any) -> str:
    given = json.loads(self.body)
    backend: KmsBackend = self.kms_backend
    key = backend.describe_key(given["KeyId"])
    if key.key_state != "Enabled":
        raise JsonRESTError("KMSInvalidStateException", f"the key is {key.key_state}")
    algorithm, message = given["SigningAlgorithm"], base64.b64decode(given["Message"])
    if algorithm not in key.signing_algorithms:
        raise JsonRESTError("InvalidKeyUsageException", "not for this key")
    digest = _HASHES[algorithm[-3:]]
    kind: Any = Prehashed(digest) if given.get("MessageType") == "DIGEST" else digest
    kept: Any = key.private_key
    private = kept.private_key
    if algorithm.startswith("ECDSA"):
        signature = private.sign(message, ec.ECDSA(kind))
    else:
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        signature = private.sign(message, pss if "PSS" in algorithm else padding.PKCS1v15(), kind)
    return json.dumps(
        {"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": algorithm}
    )
