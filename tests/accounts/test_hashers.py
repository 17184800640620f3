"""Passwords are hashed with Argon2id, and only so many at once."""

import threading

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password

from accounts import hashers
from accounts.errors import HashingBusy


@pytest.mark.spec("RFC 9106 §4; OWASP Password Storage")
def test_the_hash_names_owasp_parameters() -> None:
    assert make_password("a password").startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_matches_its_hash_alone() -> None:
    encoded = make_password("a password")
    assert check_password("a password", encoded)
    assert not check_password("another password", encoded)


def test_no_more_passwords_are_hashed_at_once_than_the_setting_says(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IDP_PASSWORD_HASHES_IN_FLIGHT = 3
    running, most, lock = 0, 0, threading.Lock()
    real = Argon2PasswordHasher.encode

    def counted(self: Argon2PasswordHasher, password: str, salt: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return real(self, password, salt)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(Argon2PasswordHasher, "encode", counted)
    threads = [threading.Thread(target=make_password, args=("a password",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 3


def test_whoever_gets_no_place_in_time_is_told_so(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.IDP_PASSWORD_HASHES_IN_FLIGHT = 1
    monkeypatch.setattr(hashers, "WAIT_SECONDS", 0.01)
    encoded = make_password("a password")
    with hashers._place():
        with pytest.raises(HashingBusy):
            make_password("a password")
        with pytest.raises(HashingBusy):
            check_password("a password", encoded)
    assert check_password("a password", encoded)
