"""Whose factors change is told by mail, in the transaction that changes them."""

from datetime import datetime, timedelta
from unittest.mock import Mock

import pytest
from django.conf import LazySettings
from django.utils import translation

from accounts import letters
from accounts.errors import FactorDemanded, FactorRefused
from accounts.models import Membership, OutgoingMail, Passkey, User
from accounts.services import passkeys
from accounts.services.factor_reset import reset_factors
from accounts.services.own_factors import remove_own_totp
from accounts.services.second_factors import make_recovery_codes, prove_code, remove_totp
from accounts.vocabulary import FactorChange
from keys.errors import KeysError
from realms.models import Realm
from tests.accounts.authenticator import Authenticator
from tests.accounts.test_passkey_services import new
from tests.mailbox import Mailbox, mailbox
from tests.provider import make_realm
from tests.second_factors import add_passkey, codes_of, give_totp

__all__ = ["mailbox"]
pytestmark = pytest.mark.spec("NIST SP 800-63B §6.1.2.1")
TO = "ana@example.org"


@pytest.fixture
def ana(ana: User) -> User:
    ana.email, ana.email_verified = TO, True
    ana.save()
    return ana


def told(mailbox: Mailbox, now: datetime) -> list[str]:
    """What the mails say of what changed."""
    found = mailbox.open(now)
    assert all(each.to == [TO] and each.subject == "default: How you sign in has changed" for each in found)
    return [str(each.body).split("\n\n")[1] for each in found]


def test_an_app_that_is_added_or_removed(ana: User, now: datetime, mailbox: Mailbox) -> None:
    give_totp(ana, now)
    remove_totp(person=ana, actor="x", now=now)
    remove_totp(person=ana, actor="x", now=now)  # there is none any more
    assert told(mailbox, now) == ["An authenticator app was added.", "The authenticator app was removed."]


def test_a_passkey_that_is_added_or_removed(ana: User, now: datetime, mailbox: Mailbox) -> None:
    passkeys.add_passkey(new(Authenticator(), ana, b"1" * 32), person=ana, name="x", actor="", now=now)
    [passkey] = Passkey.objects.all()
    assert passkeys.remove_passkey(passkey, actor="x", now=now)
    assert not passkeys.remove_passkey(passkey, actor="x", now=now)
    assert told(mailbox, now) == ["A passkey was added.", "A passkey was removed."]


def test_recovery_codes_that_take_the_place_of_others_or_are_used(ana: User, now: datetime, mailbox: Mailbox) -> None:
    codes_of(ana, now)
    assert len(told(mailbox, now)) == 1, "the first codes come with what was added"
    code = make_recovery_codes(person=ana, actor="x", now=now)[0]
    prove_code(person=ana, typed=code, realm=None, address="192.0.2.1", now=now)
    with pytest.raises(FactorRefused):
        prove_code(person=ana, typed=code, realm=None, address="192.0.2.1", now=now)
    assert told(mailbox, now)[1:] == [
        "New recovery codes were made. Those from before no longer work.",
        "A recovery code was used. It doesn’t work again.",
    ]


def test_an_operator_who_takes_all_away(ana: User, now: datetime, mailbox: Mailbox) -> None:
    reset_factors(ana, actor="user:op", reason="Lost.", now=now)  # there is nothing to lose
    add_passkey(ana, now)
    reset_factors(ana, actor="user:op", reason="Lost.", now=now)
    assert told(mailbox, now) == [
        "Those who run this site took all passkeys, the authenticator app and the recovery codes away."
    ]


def test_an_address_that_is_not_confirmed_gets_nothing(ana: User, now: datetime, mailbox: Mailbox) -> None:
    ana.email_verified = False
    ana.save()
    give_totp(ana, now)
    assert mailbox.open(now) == []


def test_without_mail_nothing_is_written(ana: User, now: datetime, settings: LazySettings) -> None:
    settings.IDP_CAN_MAIL = False
    give_totp(ana, now)
    assert not OutgoingMail.objects.exists()


def test_the_mail_speaks_for_the_realm_of_the_page_or_else_for_one_of_theirs(
    ana: User, realm: Realm, now: datetime, mailbox: Mailbox
) -> None:
    other = make_realm("other", purposes=())
    Membership.objects.create(user=ana, realm=other, created_at=now + timedelta(minutes=1))
    give_totp(ana, now)
    remove_own_totp(ana, realm=other, now=now)
    first, second = (str(each.body) for each in mailbox.open(now))
    assert "https://id.example.test/account/security\n" in first
    assert "https://id.example.test/realms/other/account/security\n" in second
    Membership.objects.filter(user=ana).delete()
    give_totp(ana, now)
    assert len(mailbox.open(now)) == 2, "nobody speaks for a realm that they left"


def test_what_is_undone_is_not_told(ana: User, realm: Realm, now: datetime, mailbox: Mailbox) -> None:
    give_totp(ana, now)
    Realm.objects.update(require_second_factor=True)
    with pytest.raises(FactorDemanded):
        remove_own_totp(ana, realm=realm, now=now)
    assert told(mailbox, now) == ["An authenticator app was added."]


def test_where_nothing_can_be_sealed_a_recovery_code_is_not_spent(
    ana: User, now: datetime, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = codes_of(ana, now)[0]
    with monkeypatch.context() as patched:
        patched.setattr("accounts.services.factor_changes.post", Mock(side_effect=KeysError("No master secret.")))
        for _each in range(10):  # more often than anybody may guess
            with pytest.raises(KeysError):
                prove_code(person=ana, typed=code, realm=None, address="192.0.2.1", now=now)
    assert prove_code(person=ana, typed=code, realm=None, address="192.0.2.1", now=now) == ("otp",)


@pytest.mark.parametrize("change", FactorChange)
def test_every_change_has_a_sentence_in_every_language(change: FactorChange, realm: Realm) -> None:
    said = set()
    for language in ("en", "de", "fr"):
        with translation.override(language):
            letter = letters.factors_changed(realm=realm, username="ana<&>", change=change)
        assert "ana<&>" in letter.text
        said.add(letter.text.split("\n\n")[1])
    assert len(said) == 3
