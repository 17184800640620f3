"""What may be a password: long, not common, not made of what stands around it, and never found in the open."""

import hashlib
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from accounts import breaches
from accounts.breaches import BreachesAway, is_breached
from accounts.errors import WeakPassword
from accounts.models import User
from accounts.outbound_http import Patience
from accounts.password_validators import rules
from accounts.passwords import MAX_BYTES, MIN_LENGTH, little_more_than, may_be_a_password, prepared, unit_of
from accounts.services.people import check_new_password
from realms.models import Realm
from tests.provider import PASSWORD, make_person

pytestmark = pytest.mark.spec("NIST SP 800-63B-4 §3.1.1.2")


def codes(password: str, user: Any = None) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        found = error
    else:
        return []
    assert all(message.endswith(".") for message in found.messages)
    return [str(each.code) for each in found.error_list]


GOOD = [
    PASSWORD,
    "four words of mine",
    "Zeh1nTausend gelbe Enten",
    "пятнадцать слонов",
    "パスワードはとても長いほうがよい",
    "🦆🦆🦅🦆🦉🦆🦅🦉🦉🦢🦆🦅🦢🦉🦆🦚",
    "qjzxvwkypmgbhfnt",
    "x y " * 3 + "and some more words",
    "correct horse battery staple " * 30,
]


@pytest.mark.parametrize("password", GOOD)
def test_any_long_password_does_whatever_it_is_made_of(password: str) -> None:
    """No rule on kinds of characters; spaces and all of Unicode; far more than 64 characters."""
    assert codes(password) == []


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("x1!Yqw zP&kL;m", "password_too_short"),
        ("ﷺ" * 0 + "short", "password_too_short"),
        ("e\u0301" * 14, "password_too_short"),
        ("passwordpassword", "password_too_common"),
        ("123456789012345", "password_too_common"),
        ("aaaaaaaaaaaaaaaaaaaa", "password_too_common"),
        ("abcabcabcabcabcabc", "password_too_common"),
        ("ＰＡＳＳＷＯＲＤpassword", "password_too_common"),
        ("x" * (MAX_BYTES + 1), "password_impossible"),
        ("a password with \0 in it", "password_impossible"),
        ("a password with \ud800 in it", "password_impossible"),
        ("a password with \u0378 in it", "password_impossible"),
    ],
)
def test_a_weak_password_is_refused_and_the_sentence_says_what_to_do(password: str, code: str) -> None:
    assert code in codes(password)


def test_the_shortest_has_fifteen_code_points() -> None:
    assert MIN_LENGTH == 15
    assert codes("qjzxvwkypmgbhf") == ["password_too_short"]
    assert codes("qjzxvwkypmgbhfn") == []
    assert codes("ﷺ") == [], "counted as it is hashed: eighteen letters"


def test_a_password_is_not_made_of_what_stands_around_it(db: None) -> None:
    person = User(username="beatrice.maria", email="beatrice@example.org", name="Beatrice Portinari")
    for password in ("beatrice.maria1234", "Portinari Beatrice!", "BEATRICE@example.org", "signet beatrice 12"):
        assert "password_of_context" in codes(password, person)
    assert codes("beatrice counts yellow ducks", person) == []
    realm = Realm(slug="inferno", name="The Divine Comedy")
    for password in ("The Divine Comedy 12", "thedivinecomedy2026", "inferno comedy divine"):
        assert "password_of_context" not in codes(password, User(username="bea"))
        with pytest.raises(WeakPassword, match="little more than a name"):
            check_new_password(password, person=User(username="bea"), realm=realm)


def test_short_names_do_not_hollow_a_password_out() -> None:
    assert not little_more_than("aeaeaeaeaeaeaeae", ["a", "e", "ae"])


def test_what_is_only_short_is_not_called_a_name() -> None:
    assert not little_more_than("short", ["signet"])
    assert little_more_than("signet", ["signet"])


@given(st.text(alphabet="ab", min_size=1, max_size=40))
def test_what_is_repeated_gives_the_whole(text: str) -> None:
    unit = unit_of(text)
    assert (unit * (len(text) // len(unit) + 1))[: len(text)] == text
    shorter = [text[:size] for size in range(1, len(unit))]
    assert not any((each * len(text))[: len(text)] == text for each in shorter)


def test_a_long_repetition_takes_no_time() -> None:
    assert unit_of("ab" * 200_000) == "ab"


@given(st.text(max_size=60))
def test_what_may_be_a_password_stays_what_it_is_once_prepared(text: str) -> None:
    if may_be_a_password(text):
        assert prepared(prepared(text)) == prepared(text)
        assert may_be_a_password(prepared(text))


def test_the_rules_that_hold_are_told_below_the_field(settings: LazySettings) -> None:
    assert len(rules()) == 3
    settings.IDP_BREACHED_PASSWORDS_URL = "https://lists.example.test/"
    assert "stolen" in rules()[-1]


@pytest.mark.spec("NIST SP 800-63B-4 §3.1.1.2, normalization")
def test_a_password_is_the_same_from_every_keyboard(db: None, settings: LazySettings) -> None:
    composed = "Über sieben Brücken ﬁn"
    person = User(username="bea")
    person.set_password(composed)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert person.check_password(unicodedata.normalize(form, composed))
    assert not person.check_password(composed.lower())
    assert not person.check_password(composed + " ")


def test_a_hash_from_before_goes_on_for_whoever_typed_a_normal_form(db: None) -> None:
    """Any ASCII is one. Others, of which no release ever made a hash, choose another password."""
    person = make_person("bea", realm=None)
    person.password = Argon2PasswordHasher().encode(PASSWORD, "salt of before")
    assert person.check_password(PASSWORD)
    person.password = Argon2PasswordHasher().encode("Bru\u0308cken", "salt of before")
    assert not person.check_password("Bru\u0308cken")


# --- Passwords that were found in the open -------------------------------------------------------------------


def digest_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
def breached_file(tmp_path: Path, settings: LazySettings) -> Path:
    """Sorted as the download is, with one known password in the midst of others."""
    lines = sorted({f"{digest_of(f'password number {number}')}:{number + 1}" for number in range(500)})
    path = tmp_path / "pwned.txt"
    path.write_bytes("\r\n".join(lines).encode())
    settings.IDP_BREACHED_PASSWORDS_FILE = str(path)
    return path


def test_the_file_knows_every_one_of_its_lines_and_no_other(breached_file: Path) -> None:
    for number in range(500):
        assert is_breached(f"password number {number}")
        assert not is_breached(f"password numbers {number}")
    assert codes("password number 7") == ["password_breached"]


@pytest.mark.parametrize("content", [b"", b"\r\n", b"garbage", b"\0" * 1_000, b"x" * 10_000])
def test_a_broken_file_finds_nothing(content: bytes, breached_file: Path) -> None:
    breached_file.write_bytes(content)
    assert not is_breached("password number 7")


def test_a_file_that_is_gone_keeps_nobody_out(breached_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    breached_file.unlink()
    with pytest.raises(BreachesAway):
        is_breached(PASSWORD)
    assert codes(PASSWORD) == []
    assert "passwords.breaches_away fault=FileNotFoundError" in caplog.text
    assert PASSWORD not in caplog.text


class Ranges(BaseHTTPRequestHandler):
    """Answers as the range API does."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append((self.path, dict(self.headers)))
        self.send_response(server.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_args: object) -> None:
        """Nothing."""


@pytest.fixture
def ranges(settings: LazySettings) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    digest = digest_of("a breached password")
    server.asked, server.status = [], 200
    server.body = f"{'0' * 35}:3\r\n{digest[5:]}:27\r\n{digest_of('padded')[5:]}:0\r\n".encode()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.IDP_BREACHED_PASSWORDS_URL = f"http://127.0.0.1:{server.server_address[1]}/range/"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.spec("issue: never sends more than 5 hex digits")
def test_the_service_learns_five_digits_and_no_more(ranges: Any) -> None:
    assert is_breached("a breached password")
    [(path, headers)] = ranges.asked
    assert path == f"/range/{digest_of('a breached password')[:5]}"
    assert headers["Add-Padding"] == "true"
    sent = path + repr(headers)
    assert digest_of("a breached password")[5:] not in sent
    assert "breached password" not in sent


def test_padding_is_no_find(ranges: Any) -> None:
    assert not is_breached("padded")
    assert not is_breached("another password altogether")


@pytest.mark.parametrize("status", [301, 404, 429, 500])
def test_a_service_that_fails_keeps_nobody_out(status: int, ranges: Any, caplog: pytest.LogCaptureFixture) -> None:
    """And where it redirects to isn't asked."""
    ranges.status = status
    assert codes("a breached password") == []
    assert f"fault=status_{status}" in caplog.text
    assert len(ranges.asked) == 1


def test_a_service_that_hangs_is_waited_for_so_long(
    ranges: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hang = threading.Event()
    monkeypatch.setattr(Ranges, "do_GET", lambda _self: hang.wait(20))
    monkeypatch.setattr(breaches, "_PATIENCE", Patience(connect=0.05, answer=0.05))
    assert codes(PASSWORD) == []
    hang.set()
    assert "passwords.breaches_away fault=timeout" in caplog.text


def test_a_service_that_trickles_is_waited_for_no_longer(
    ranges: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each byte comes in time, and the last one never."""
    over = threading.Event()

    def trickle(server: Ranges) -> None:
        server.send_response(200)
        server.end_headers()
        with suppress(OSError):
            while not over.wait(0.02):
                server.wfile.write(b"0")

    monkeypatch.setattr(Ranges, "do_GET", trickle)
    monkeypatch.setattr(breaches, "_PATIENCE", Patience(connect=1.0, answer=0.2))
    end = threading.Timer(5.0, over.set)
    end.start()
    began = time.monotonic()
    assert codes(PASSWORD) == []
    assert time.monotonic() - began < 3.0
    end.cancel()
    over.set()
    assert "passwords.breaches_away fault=timeout" in caplog.text


def test_without_a_list_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaches, "exchange", lambda *_args, **_named: pytest.fail("Nobody named a service."))
    assert not is_breached("a breached password")
