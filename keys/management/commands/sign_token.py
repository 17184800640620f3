"""`manage.py sign_token`: a token from the command line, signed by the active key."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_duration

from keys import api, compact
from keys.errors import KeysError
from keys.management.commands._arguments import WRONG_USAGE, known_algorithm, realm_named

_LONGEST = timedelta(days=3_650)


class Command(BaseCommand):
    """Prints the token alone. `iss`, `iat` and `exp` are set here and can't be given."""

    help = "Signs a token with the active key of a realm."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--claims", default="{}", help="further claims, a JSON object")
        parser.add_argument("--lifetime", default="PT5M", help="ISO 8601, such as PT5M")
        parser.add_argument("--typ", default="JWT", help="the kind of token, such as at+jwt")
        parser.add_argument("--algorithm", default="ES256", help="the ring's algorithm")
        parser.add_argument("--realm", help="the realm's slug; the default realm if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        now, realm = timezone.now(), realm_named(options["realm"])
        lifetime = _lifetime(options["lifetime"])
        try:
            claims = compact.plain_object(options["claims"], "--claims")
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        own = {"iss": realm.issuer, "iat": int(now.timestamp()), "exp": int((now + lifetime).timestamp())}
        if fixed := sorted(own.keys() & claims.keys()):
            raise CommandError(f"{', '.join(fixed)} can't be given: they are set here.", returncode=WRONG_USAGE)
        try:
            signed = api.sign_jwt(
                {**claims, **own},
                realm=realm,
                typ=options["typ"],
                algorithm=known_algorithm(options["algorithm"]),
                now=now,
            )
        except KeysError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(signed.token)


def _lifetime(text: str) -> timedelta:
    """A length of time from a second to ten years; what the key may vouch for is checked when it signs."""
    try:
        lifetime = parse_duration(text)
    except OverflowError:
        lifetime = None
    if lifetime is None or not timedelta(seconds=1) <= lifetime <= _LONGEST:
        raise CommandError("--lifetime wants an ISO 8601 duration such as PT5M.", returncode=WRONG_USAGE)
    return lifetime
