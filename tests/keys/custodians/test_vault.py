"""Vault's transit engine as its documentation has it (see vault.py): what is asked, and what answers mean."""

import base64
import json
import secrets
import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from keys.custodians import vault_client
from keys.custodians.vault_transit import VaultCustodian
from keys.errors import CustodianNotConfigured, CustodianRefused, CustodianUnreachable, SealBroken
from tests.keys.custodians.forks import holds_in_child
from tests.keys.custodians.vault import RunningVault, running_vault

pytestmark = pytest.mark.spec("issue 5, 5: Vault/OpenBao transit by its HTTP API")


@pytest.fixture
def vault(settings: LazySettings) -> Iterator[RunningVault]:
    with running_vault(secrets.token_hex(8)) as found:
        settings.IDP_VAULT_URL, settings.IDP_VAULT_TOKEN, settings.IDP_VAULT_KEY = found.url, found.transit.token, "w"
        VaultCustodian().make_wrapping_key()
        found.transit.seen.clear()
        yield found


@pytest.fixture
def custodian(vault: RunningVault) -> VaultCustodian:
    return VaultCustodian()


def wrap(custodian: VaultCustodian) -> bytes:
    return custodian.wrap(bytes(32), purpose="one", bound=b"place")


def test_a_key_is_asked_for_that_never_leaves(vault: RunningVault, custodian: VaultCustodian) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    method, path, _, body = vault.transit.seen[0]
    assert (method, path) == ("POST", f"/v1/transit/keys/{made.reference}")
    assert (body["type"], body["exportable"], body["allow_plaintext_backup"]) == ("ecdsa-p256", False, False)


@pytest.mark.parametrize(
    "wrong",
    [{"exportable": True}, {"allow_plaintext_backup": True}, {"derived": True}, {"type": "ecdsa-p384"}],
)
def test_a_key_that_could_leave_is_destroyed_again(
    vault: RunningVault, custodian: VaultCustodian, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]
) -> None:
    genuine = vault.transit._read
    monkeypatch.setattr(vault.transit, "_read", lambda name: {**genuine(name), **wrong})
    with pytest.raises(CustodianRefused, match=next(iter(wrong))):
        custodian.make_key(algorithm="ES256", bits=None)
    assert set(vault.transit.keys) == {"w"}


def test_it_asks_for_a_jws_by_the_first_version_of_the_key(vault: RunningVault, custodian: VaultCustodian) -> None:
    made = custodian.make_key(algorithm="PS256", bits=2048)
    custodian.sign(b"x", reference=made.reference, algorithm="PS256")
    body = vault.transit.seen[-1][3]
    assert body["key_version"] == 1
    assert not body.get("prehashed")
    assert (body["signature_algorithm"], body["salt_length"], body["marshaling_algorithm"]) == ("pss", "hash", "jws")


def test_no_key_is_deleted_by_name_that_isnt_one_of_ours(vault: RunningVault, custodian: VaultCustodian) -> None:
    for reference in ("w", "../sys/seal", "signet-es256-" + "0" * 31):
        with pytest.raises(CustodianRefused):
            custodian.destroy(reference)
    assert vault.transit.seen == []


def test_another_writing_of_the_same_base64_is_refused(custodian: VaultCustodian) -> None:
    blob = custodian.wrap(bytes(31), purpose="one", bound=b"place")  # 59 bytes: two stray bits at the end
    prefix, text = blob[:9], blob[9:]
    assert text.endswith(b"=")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = text[:-2] + bytes([alphabet[alphabet.index(text[-2]) ^ 1]]) + b"="
    assert base64.b64decode(other) == base64.b64decode(text)
    with pytest.raises(SealBroken):
        custodian.unwrap(prefix + other, secret_id="vault/w", purpose="one", bound=b"place")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"errors": ["nonsense"]}, CustodianRefused),
        (403, {"errors": ["permission denied"]}, CustodianRefused),
        (404, {"errors": []}, CustodianRefused),
        (429, {"errors": []}, CustodianUnreachable),
        (500, {"errors": ["internal error"]}, CustodianUnreachable),
        (502, {"errors": []}, CustodianUnreachable),
        (503, {"errors": ["Vault is sealed"]}, CustodianUnreachable),
        (472, {"errors": []}, CustodianUnreachable),
        (200, {"data": None}, CustodianUnreachable),
        (200, {"data": ["x"]}, CustodianUnreachable),
        (200, {"data": {"ciphertext": "vault:v1:<html>", "signature": "vault:v2:AAAA"}}, CustodianUnreachable),
        (200, ["x"], CustodianUnreachable),
        (307, {}, CustodianUnreachable),
    ],
)
def test_what_answers_mean(
    vault: RunningVault, custodian: VaultCustodian, status: int, body: Any, error: type[Exception]
) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    vault.transit.answer = (status, json.dumps(body).encode())
    with pytest.raises(error):
        wrap(custodian)
    with pytest.raises(error):
        custodian.sign(b"x", reference=made.reference, algorithm="ES256")


def test_a_page_of_a_proxy_is_no_answer(vault: RunningVault, custodian: VaultCustodian) -> None:
    vault.transit.answer = (200, b"<html>Welcome</html>")
    with pytest.raises(CustodianUnreachable):
        wrap(custodian)


def test_a_sealed_vault_doesnt_make_a_value_look_altered(vault: RunningVault, custodian: VaultCustodian) -> None:
    blob = wrap(custodian)
    vault.transit.answer = (503, b'{"errors": ["Vault is sealed"]}')
    with pytest.raises(CustodianUnreachable):
        custodian.unwrap(blob, secret_id="vault/w", purpose="one", bound=b"place")


def test_a_destruction_that_isnt_confirmed_is_an_error(vault: RunningVault, custodian: VaultCustodian) -> None:
    made = custodian.make_key(algorithm="ES256", bits=None)
    vault.transit.answer = (400, b'{"errors": ["no"]}')
    with pytest.raises(CustodianRefused):
        custodian.destroy(made.reference)


def test_the_token_of_a_file_is_read_anew(
    vault: RunningVault, custodian: VaultCustodian, settings: LazySettings, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(vault.transit.token + "\n")
    file.chmod(0o600)
    settings.IDP_VAULT_TOKEN, settings.IDP_VAULT_TOKEN_FILE = "", str(file)
    wrap(custodian)
    vault.transit.token = "renewed"
    with pytest.raises(CustodianRefused):
        wrap(custodian)
    file.write_text("renewed")
    wrap(custodian)
    file.chmod(0o600 | stat.S_IROTH)
    with pytest.raises(CustodianNotConfigured, match="chmod o-rw"):
        wrap(custodian)
    file.unlink()
    with pytest.raises(CustodianNotConfigured, match="can't be read"):
        wrap(custodian)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IDP_VAULT_URL", ""),
        ("IDP_VAULT_URL", "http://vault.example.test:8200"),
        ("IDP_VAULT_URL", "vault.example.test"),
        ("IDP_VAULT_TOKEN", ""),
        ("IDP_VAULT_TOKEN_FILE", "/run/both"),
        ("IDP_VAULT_MOUNT", "../sys"),
        ("IDP_VAULT_MOUNT", ""),
        ("IDP_VAULT_KEY", "a/b"),
        ("IDP_VAULT_KEY", ""),
    ],
)
def test_settings_that_cant_be_are_named(
    custodian: VaultCustodian, settings: LazySettings, name: str, value: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises(CustodianNotConfigured, match=name):
        wrap(custodian)


def test_the_namespace_goes_with_every_request(
    vault: RunningVault, custodian: VaultCustodian, settings: LazySettings
) -> None:
    settings.IDP_VAULT_NAMESPACE = "team"
    wrap(custodian)
    assert vault.transit.seen[-1][2] == "team"


def test_silence_is_bounded() -> None:
    assert sum(vault_client._SECONDS) <= 10


def test_the_wrapping_key_is_made_once(vault: RunningVault, custodian: VaultCustodian, settings: LazySettings) -> None:
    settings.IDP_VAULT_KEY = "second"
    with pytest.raises(CustodianRefused, match="no such key"):
        wrap(custodian)
    call_command("make_wrapping_key", "vault", stdout=StringIO())
    assert vault.transit.keys["second"]["type"] == "aes256-gcm96"
    with pytest.raises(CustodianRefused, match="nothing was made"):
        custodian.make_wrapping_key()


def test_a_forked_child_has_connections_of_its_own(custodian: VaultCustodian) -> None:
    wrap(custodian)
    assert vault_client._connections.client is not None
    assert holds_in_child(lambda: vault_client._connections.client is None and wrap(custodian))
