"""The rows of a trial: tables, realm and keys, an operator, a demo person, a demo client; each made once.

Import it after `django.setup()`.
"""

import io
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from netrc import netrc
from pathlib import Path

from django.core.management import call_command
from django.utils import timezone

from accounts.selectors import user_exists
from idp_project.management.commands.serve import refuse_failed_checks, refuse_other_issuer
from idp_project.quickstart.data_folder import write_secret
from realms.selectors import default_realm
from tokens.client_metadata import ClientMetadata
from tokens.selectors import client_exists
from tokens.services.clients import create_client
from tokens.vocabulary import GrantType

OPERATOR, PERSON, CLIENT = "operator", "demo", "demo"
ACTOR = "command:quickstart"


@dataclass(frozen=True)
class Credential:
    """Something made by this run that is shown now and never again."""

    kind: str
    name: str
    secret: str


def make_tables_and_keys(progress: Callable[[str], None]) -> None:
    """Migrate, make the default realm with its keys, and refuse what `manage.py serve` would refuse.

    Arguments:
        progress: is told, in a few words, what takes long.

    Raises:
        CommandError: a check failed, or this database belongs to another issuer.
    """
    progress("bringing the tables up to date")
    call_command("migrate", verbosity=0, interactive=False)
    if default_realm() is None:
        progress("making the first signing keys (RSA with 4096 bits: up to half a minute)")
    call_command("bootstrap", stdout=io.StringIO())
    refuse_failed_checks()
    refuse_other_issuer()


def make_people_and_client(demo_login: Path, host: str) -> Iterator[Credential]:
    """Make who is missing; what exists is left alone.

    Arguments:
        demo_login: netrc file that keeps the demo person's password, mode 0600.
        host: of the issuer, as the netrc file names it.

    Returns:
        what was made, each as soon as it is there, so that it can be shown whatever fails later.
    """
    if not user_exists(PERSON):
        password = _kept_password(demo_login, host)
        _create_user(PERSON, password)
        yield Credential("Person", PERSON, password)
    realm = default_realm()
    if realm is not None and not client_exists(realm.slug, CLIENT):
        _client, secret = create_client(
            realm=realm,
            client_id=CLIENT,
            name="Demo client",
            metadata=ClientMetadata(
                grant_types=(GrantType.CLIENT_CREDENTIALS,), scopes=("demo:read",), introspects=(realm.issuer,)
            ),
            actor=ACTOR,
            now=timezone.now(),
        )
        yield Credential("Client", CLIENT, secret or "")
    if not user_exists(OPERATOR):
        password = secrets.token_urlsafe(18)
        _create_user(OPERATOR, password, "--operator")
        yield Credential("Operator", OPERATOR, password)


def _kept_password(demo_login: Path, host: str) -> str:
    """The password in the file: a run that was killed may have left one; or a new one, written there first."""
    if demo_login.exists():
        kept = netrc(str(demo_login)).authenticators(host)
        if kept:
            return kept[2]
    password = secrets.token_urlsafe(18)
    write_secret(demo_login, f"machine {host} login {PERSON} password {password}\n")
    return password


def _create_user(name: str, password: str, *options: str) -> None:
    with _typed(password + "\n"):
        call_command("create_user", name, "--password-stdin", *options, stdout=io.StringIO())


@contextmanager
def _typed(text: str) -> Iterator[None]:
    """Standard input holds a text: a command that reads a password from there never sees it as an argument."""
    before, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        yield
    finally:
        sys.stdin = before
