"""docs/runbooks/compromise.md: every command of the page is run, and keeps what the page promises of it."""

import io
import re
import shlex
from pathlib import Path

import pytest
from django.conf import LazySettings, settings

from audit.models import Event
from keys.models import KeyPair
from keys.published_set import published_sets
from keys.signer import signer
from realms.models import Realm
from tests.keys.commands import run
from tests.keys.known_secrets import SECRET_B
from tests.provider import Browser, make_realm

pytestmark = pytest.mark.spec("issue 5: a runbook whose commands a test executes")

PAGE = (Path(settings.BASE_DIR) / "docs/runbooks/compromise.md").read_text(encoding="utf-8")
LINE = re.compile(
    r"(?P<command>manage\.py|GET) (?P<rest>\S.*?)\s+# (?:exit|status) (?P<code>\d+)"
    r'(?:, (?P<verb>says|lacks) "(?P<text>[^"]+)")?'
)
ONE_KEY, WHOLE_RING, NO_SECRETS = "One key was seen", "A host was lost", "The master secrets are not at hand"


def sections() -> dict[str, list[str]]:
    """The lines of the fenced commands below each heading."""
    found: dict[str, list[str]] = {}
    heading, fenced = "", False
    for line in PAGE.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            found.setdefault(heading, []).append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


class Operator:
    """Does what a section says, as if each command were a process of its own."""

    def __init__(self, places: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._places, self._patch = places, monkeypatch
        self.ran: list[str] = []

    def follow(self, heading: str) -> None:
        for line in sections()[heading]:
            written = LINE.fullmatch(line)
            assert written, f"no promise in {line!r}"
            self.ran.append(line)
            code, said = self._do(written["command"], self._filled(written["rest"]))
            assert code == int(written["code"]), (line, said)
            if written["verb"]:
                assert (self._filled(written["text"]) in said) == (written["verb"] == "says"), (line, said)

    def _filled(self, text: str) -> str:
        return re.sub("|".join(self._places), lambda found: self._places[found[0]], text)

    def _do(self, command: str, rest: str) -> tuple[int, str]:
        signer.forget()
        published_sets.forget()
        if command == "GET":
            answer = Browser().get(rest)
            return answer.status_code, answer.content.decode()
        words, _, file = rest.partition(" < ")
        if file:
            self._patch.setattr("sys.stdin", io.StringIO(Path(file).read_text(encoding="utf-8")))
        ran = run(*shlex.split(words))
        return ran.code, ran.out + ran.err


@pytest.fixture
def realm(db: None) -> Realm:
    """A realm whose keys were made just now."""
    return make_realm()


@pytest.mark.parametrize("act", [ONE_KEY, WHOLE_RING, NO_SECRETS])
def test_every_command_of_the_page_does_what_the_page_says(
    act: str, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    lost = KeyPair.objects.filter(ring__purpose="sign").order_by("activates_at")[0]
    token = tmp_path / "token.txt"
    token.write_text(run("sign_token", "--typ", "at+jwt").out, encoding="utf-8")
    operator = Operator({"KID": lost.kid, "TOKEN_FILE": str(token)}, monkeypatch)
    operator.follow("1. Which key")
    operator.follow("2. What it would hit")
    assert not KeyPair.objects.exclude(compromised_at=None).exists()
    secrets = settings.IDP_MASTER_SECRETS
    if act == NO_SECRETS:
        settings.IDP_MASTER_SECRETS = f"other:{SECRET_B}"
    operator.follow(act)
    settings.IDP_MASTER_SECRETS = secrets
    operator.follow("4. Check that it holds")
    operator.follow("6. Afterwards")
    assert Event.objects.filter(name="key.compromised", target=lost.kid).exclude(reason="").count() == 1
    assert KeyPair.objects.exclude(compromised_at=None).count() == (2 if act == WHOLE_RING else 1)


def test_no_command_of_the_page_is_left_out() -> None:
    every = {line for lines in sections().values() for line in lines}
    followed = {"1. Which key", "2. What it would hit", ONE_KEY, WHOLE_RING, NO_SECRETS, "4. Check that it holds",
                "6. Afterwards"}  # fmt: skip
    assert set(sections()) == followed
    assert len(every) >= 10
    assert all(LINE.fullmatch(line) for line in every)
