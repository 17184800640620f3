"""The forms of a person's claims; forms of the admin and the database hold them too."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import ClaimRefused
from accounts.models import User
from accounts.profile import (
    MAX_ADDRESS,
    MAX_NAME,
    check_address,
    check_locale,
    check_name,
    check_phone_number,
    check_zoneinfo,
)

HOSTILE = ["\0", "a\0b", "a\nb", "a\tb", "\x7f", "\x85", "\u2028", "\u202eevil", "\ud800", "\u200b", "\ufeff"]


@pytest.mark.parametrize("name", ["", "Ana", "Ana de Sá", "李小龍", "O'Brien-Ní", "علی\u200cرضا", "x" * MAX_NAME])
def test_names_as_people_have_them(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "x" * (MAX_NAME + 1)])
def test_a_name_with_invisible_characters_or_without_end_is_refused(name: str) -> None:
    with pytest.raises(ClaimRefused):
        check_name(name)


@pytest.mark.spec("OIDC Core §5.1, locale")
@pytest.mark.parametrize("locale", ["", "pt", "pt-PT", "zh-Hant-TW", "de-1996"])
def test_language_tags(locale: str) -> None:
    assert check_locale(locale) == locale


@pytest.mark.spec("OIDC Core §5.1, locale")
@pytest.mark.parametrize("locale", ["p", "pt_PT", "pt-", "-pt", "pt-PT\n", "pt PT", "pt-" + "x" * 9, "pt" + "-xx" * 12])
def test_what_is_no_language_tag(locale: str) -> None:
    with pytest.raises(ClaimRefused):
        check_locale(locale)


@pytest.mark.spec("OIDC Core §5.1, zoneinfo")
def test_time_zones() -> None:
    assert [check_zoneinfo(zone) for zone in ("", "Europe/Lisbon", "UTC")] == ["", "Europe/Lisbon", "UTC"]
    for zone in ("Europe/Lissbon", "../../etc/passwd", "Europe/Lisbon\0", "europe"):
        with pytest.raises(ClaimRefused):
            check_zoneinfo(zone)


@pytest.mark.spec("OIDC Core §5.1, phone_number")
def test_telephone_numbers() -> None:
    assert [check_phone_number(number) for number in ("", "+351211234567")] == ["", "+351211234567"]
    for number in ("211234567", "+0211234567", "+1 425 555", "+" + "1" * 16, "+1", "+٣٥١٢١١", "+351211234567\n"):
        with pytest.raises(ClaimRefused):
            check_phone_number(number)


@pytest.mark.spec("OIDC Core §5.1.1")
@pytest.mark.parametrize("address", ["", "Rua Um 1\n1000-001 Lisboa", "a\r\nb", "x" * MAX_ADDRESS])
def test_postal_addresses(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("address", ["a\0b", "a\rb", "a\tb", "\u202eevil", "x" * (MAX_ADDRESS + 1)])
def test_what_is_no_postal_address(address: str) -> None:
    with pytest.raises(ClaimRefused):
        check_address(address)


@pytest.mark.parametrize(
    "column", ["name", "given_name", "family_name", "locale", "zoneinfo", "phone_number", "address"]
)
def test_every_column_has_its_rule(column: str, ana: User) -> None:
    setattr(ana, column, "a\0b")
    with pytest.raises(ValidationError) as refusal:
        ana.full_clean()
    assert set(refusal.value.message_dict) == {column}


@pytest.mark.parametrize("verified", ["email_verified", "phone_number_verified"])
def test_the_database_verifies_nothing_that_is_not_there(verified: str, ana: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=ana.pk).update(**{verified: True})
