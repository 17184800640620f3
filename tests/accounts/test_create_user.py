"""`manage.py create_user`."""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Membership, User
from realms.models import Realm
from tests.provider import PASSWORD, make_person, make_realm


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = PASSWORD + "\n") -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    said = io.StringIO()
    call_command("create_user", *arguments, stdout=said)
    return said.getvalue()


def test_it_makes_a_member_of_the_default_realm(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Ana" in run(monkeypatch, "Ana", "--password-stdin", "--email=ana@example.org", "--role=reader")
    person = User.objects.get()
    assert person.check_password(PASSWORD)
    assert not person.is_staff
    assert Membership.objects.get(user=person).realm == realm
    assert Membership.objects.get(user=person).roles == ["reader"]


def test_it_makes_an_operator_in_a_named_realm(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_realm("other")
    assert "operator" in run(monkeypatch, "root", "--password-stdin", "--operator", "--realm=other")
    assert User.objects.get().is_superuser
    assert Membership.objects.get().realm == other


@pytest.mark.parametrize(
    ("arguments", "password", "sentence"),
    [
        (["ana", "--password-stdin"], PASSWORD, "'ana' is taken"),
        (["ben", "--password-stdin", "--realm=nowhere"], PASSWORD, "no realm 'nowhere'"),
        (["ben", "--password-stdin"], "short", "too short"),
        (["ben", "--password-stdin"], "\n", "is empty"),
        (["ben"], PASSWORD, "--password-stdin"),
        (["b n", "--password-stdin"], PASSWORD, "white space"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str], password: str, sentence: str, realm: Realm, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person("ana", realm=realm)
    with pytest.raises(CommandError, match=sentence) as refusal:
        run(monkeypatch, *arguments, password=password)
    assert "\n" not in str(refusal.value)
    assert PASSWORD not in str(refusal.value)
    assert User.objects.count() == 1


def test_a_password_that_is_no_text_is_refused(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xff"), encoding="utf-8"))
    with pytest.raises(CommandError, match="UTF-8"):
        call_command("create_user", "ana", "--password-stdin")
