"""An endpoint that takes connections and never answers: each call ends in time, and says who is away."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.conf import LazySettings

from keys.custodians import Custodian, aws_kms_client, vault_client
from keys.custodians.aws_kms import AwsKmsCustodian
from keys.custodians.vault_transit import VaultCustodian
from keys.errors import CustodianUnreachable

pytestmark = pytest.mark.spec("issue 5, 5: an unreachable custodian makes signing fail with 503")
SECONDS = 0.3
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a server that accepts and is silent."""
    held = list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for connection in held:
        connection.close()


@pytest.fixture(params=["aws_kms", "vault"])
def silent(
    request: pytest.FixtureRequest, black_hole: str, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> tuple[Custodian, str, Callable[[], object]]:
    """A custodian behind it, a reference to a key, and what wraps."""
    found: Custodian
    if request.param == "aws_kms":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
        monkeypatch.setattr(aws_kms_client, "_READ_SECONDS", SECONDS)
        settings.IDP_AWS_KMS_REGION, settings.IDP_AWS_KMS_ENDPOINT = "eu-central-1", black_hole
        settings.IDP_AWS_KMS_KEY = ARN
        found, reference = AwsKmsCustodian(), ARN
    else:
        monkeypatch.setattr(vault_client, "_SECONDS", (SECONDS, SECONDS))
        monkeypatch.setattr(vault_client, "_connections", vault_client._Connections())
        settings.IDP_VAULT_URL, settings.IDP_VAULT_TOKEN, settings.IDP_VAULT_KEY = black_hole, "t", "wrapping"
        found, reference = VaultCustodian(), f"signet-es256-{'0' * 32}"
    return found, reference, lambda: found.wrap(bytes(32), purpose="one", bound=b"")


def test_a_silent_endpoint_is_given_up_in_time(silent: tuple[Custodian, str, Callable[[], object]]) -> None:
    custodian, reference, wrap = silent
    calls: tuple[Callable[[], object], ...] = (
        lambda: custodian.sign(b"x", reference=reference, algorithm="ES256"),
        wrap,
        lambda: custodian.make_key(algorithm="ES256", bits=None),
        lambda: custodian.destroy(reference),
    )
    for call in calls:
        began = time.monotonic()
        with pytest.raises(CustodianUnreachable):
            call()
        assert time.monotonic() - began < 10 * SECONDS, "one try, not several"
