"""keys/master_secrets.py: secrets that are none are refused, and never shown."""

import base64

import pytest
from django.conf import LazySettings

from keys import conf
from keys.errors import KeysError, MalformedSecrets, MissingMasterSecret
from keys.master_secrets import parse_master_secrets
from tests.keys.known_secrets import SECRET_A, SECRET_B


@pytest.mark.spec("keys.md Envelope: id:base64(32 bytes) items, the first seals")
@pytest.mark.parametrize("between", [",", " ", "\n", ", ", ",\n  "])
def test_secrets_stand_between_commas_or_white_space(between: str) -> None:
    found = parse_master_secrets(f"  new.1:{SECRET_A}{between}old_2:{SECRET_B}\n")
    assert found.first == "new.1"
    assert found.ids == ("new.1", "old_2")
    assert found.get("old_2") == base64.b64decode(SECRET_B)


@pytest.mark.spec("keys.md Envelope: the id of the missing secret is named")
def test_a_missing_secret_is_named() -> None:
    with pytest.raises(MissingMasterSecret, match=r"'old'.*IDP_MASTER_SECRETS"):
        parse_master_secrets(f"new:{SECRET_A}").get("old")


WEAK = base64.b64encode(bytes([1, 2, 3, 4, 5, 6, 7] * 5)[:32]).decode()
SHORT = base64.b64encode(bytes(range(31))).decode()
LONG = base64.b64encode(bytes(range(33))).decode()


@pytest.mark.spec("issue 2: bad input is named, a message never holds a secret")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "no-colon", SECRET_A, f":{SECRET_A}", f"{'x' * 33}:{SECRET_A}", f"ä:{SECRET_A}",
        f"a b:{SECRET_A}", f"a:{SECRET_A},", f"a:{SECRET_A},a:{SECRET_B}",
        f"a:{WEAK}", f"a:{SHORT}", f"a:{LONG}", "a:", "a:hunter2", f"a:{SECRET_A[:-1]}", f"a:{SECRET_A}x",
        f"a:{SECRET_A[:20]}é{SECRET_A[21:]}", "a:" + "A" * 43 + "=", f"a:b:{SECRET_A}",
    ],
)  # fmt: skip
def test_malformed_secrets_are_refused_without_repeating_them(text: str) -> None:
    with pytest.raises(MalformedSecrets) as caught:
        parse_master_secrets(text)
    said = str(caught.value)
    for secret in (SECRET_A, SECRET_B, WEAK, SHORT, LONG, "hunter2", SECRET_A[:-1], SECRET_A[:12]):
        assert secret not in said
    assert caught.value.__cause__ is None
    assert said.count("\n") == 0


@pytest.mark.spec("house.md: logs hold no secrets")
def test_secrets_do_not_show_themselves() -> None:
    found = parse_master_secrets(f"a:{SECRET_A}")
    raw = base64.b64decode(SECRET_A)
    assert SECRET_A not in repr(found)
    assert repr(raw) not in repr(found)
    assert issubclass(MalformedSecrets, KeysError)


@pytest.mark.spec("keys.md Envelope")
def test_the_settings_name_the_secrets(settings: LazySettings) -> None:
    settings.IDP_MASTER_SECRETS = f"k9:{SECRET_A}"
    assert conf.master_secrets().ids == ("k9",)
