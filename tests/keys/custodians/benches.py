"""Every custodian, ready to be tried by one suite: a function each, and a line in the table.

A new custodian needs a function that yields a `Bench`, and its name in `BENCHES`.
"""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import LazySettings

from keys.custodians import Custodian
from keys.custodians.aws_kms import AwsKmsCustodian
from keys.custodians.local import LocalCustodian
from keys.custodians.pkcs11 import Pkcs11Custodian
from keys.custodians.pkcs11_token import TOKEN
from keys.custodians.vault_transit import VaultCustodian
from tests.keys.custodians.moto_kms import REGION, MotoKms
from tests.keys.custodians.softhsm import LABEL, MODULE, SoftHsm, skip_without
from tests.keys.custodians.vault import running_vault
from tests.keys.known_secrets import SECRET_A, SECRET_B


@dataclass(frozen=True, slots=True)
class Bench:
    """A custodian at work, and what can be done to it. What is None can't happen to it.

    Attributes:
        custodian: it.
        hidden: texts that no message may repeat.
        change_secret: gives it another secret to wrap with; what the former wrapped still opens.
        unconfigure: takes its settings away.
        give_wrong_credentials: from now on it is asked with a wrong password, PIN or token.
        cut_off: nobody answers any more.
        hide_library: makes as if its Python library were not installed.
    """

    custodian: Custodian
    hidden: tuple[str, ...]
    change_secret: Callable[[], None]
    unconfigure: Callable[[], None]
    give_wrong_credentials: Callable[[], None] | None = None
    cut_off: Callable[[], None] | None = None
    hide_library: Callable[[], None] | None = None


@contextmanager
def local(settings: LazySettings, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Master secrets of the settings."""
    settings.IDP_MASTER_SECRETS = f"a:{SECRET_A}"

    def secrets_are(text: str) -> Callable[[], None]:
        return lambda: setattr(settings, "IDP_MASTER_SECRETS", text)

    yield Bench(
        LocalCustodian(),
        hidden=(SECRET_A, SECRET_B),
        change_secret=secrets_are(f"b:{SECRET_B},a:{SECRET_A}"),
        unconfigure=secrets_are(""),
    )


@contextmanager
def aws_kms(settings: LazySettings, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """AWS KMS as moto plays it."""
    kms = MotoKms(patch)
    settings.IDP_AWS_KMS_REGION, settings.IDP_AWS_KMS_ENDPOINT = REGION, kms.endpoint
    settings.IDP_AWS_KMS_KEY = kms.make_wrapping_key()
    yield Bench(
        AwsKmsCustodian(),
        hidden=("a-secret-of-the-tests",),
        change_secret=lambda: setattr(settings, "IDP_AWS_KMS_KEY", kms.make_wrapping_key()),
        unconfigure=lambda: setattr(settings, "IDP_AWS_KMS_REGION", ""),
        give_wrong_credentials=kms.refuse,
        cut_off=kms.stop,
        hide_library=lambda: patch.setitem(sys.modules, "boto3", None),
    )
    kms.stop()


@contextmanager
def pkcs11(settings: LazySettings, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A token of SoftHSM 2."""
    skip_without()
    patch.setenv("SOFTHSM2_CONF", "")  # is set anew below, and put back after the test
    token = SoftHsm(folder)
    token.initialize()
    settings.IDP_PKCS11_MODULE, settings.IDP_PKCS11_TOKEN = str(MODULE), LABEL
    settings.IDP_PKCS11_PIN, settings.IDP_PKCS11_KEY = token.pin, "wrapping-1"
    custodian = Pkcs11Custodian()
    custodian.make_wrapping_key()

    def change_secret() -> None:
        settings.IDP_PKCS11_KEY = "wrapping-2"
        custodian.make_wrapping_key()

    yield Bench(
        custodian,
        hidden=(token.pin,),
        change_secret=change_secret,
        unconfigure=lambda: setattr(settings, "IDP_PKCS11_MODULE", ""),
        give_wrong_credentials=lambda: setattr(settings, "IDP_PKCS11_PIN", "0" * 8),
        cut_off=token.remove,
        hide_library=lambda: patch.setitem(sys.modules, "pkcs11", None),
    )
    TOKEN.close()


@contextmanager
def vault(settings: LazySettings, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The stand-in for Vault's transit engine in vault.py."""
    token = secrets.token_hex(16)
    with running_vault(token) as server:
        settings.IDP_VAULT_URL, settings.IDP_VAULT_TOKEN, settings.IDP_VAULT_KEY = server.url, token, "wrapping-1"
        custodian = VaultCustodian()
        custodian.make_wrapping_key()

        def change_secret() -> None:
            settings.IDP_VAULT_KEY = "wrapping-2"
            custodian.make_wrapping_key()

        yield Bench(
            custodian,
            hidden=(token,),
            change_secret=change_secret,
            unconfigure=lambda: setattr(settings, "IDP_VAULT_URL", ""),
            give_wrong_credentials=lambda: setattr(settings, "IDP_VAULT_TOKEN", "hvs.another"),
            cut_off=server.stop,
            hide_library=lambda: patch.setitem(sys.modules, "hvac", None),
        )


BENCHES: dict[str, Callable[[LazySettings, Path, pytest.MonkeyPatch], AbstractContextManager[Bench]]] = {
    "local": local,
    "aws_kms": aws_kms,
    "pkcs11": pkcs11,
    "vault": vault,
}
