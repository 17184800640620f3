"""`manage.py verify_token`: whether a token is trusted, and if not, why."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys import api
from keys.errors import KeysError
from keys.management.commands._arguments import realm_named


class Command(BaseCommand):
    """Exit code 0: trusted, its claims are printed. 1: refused, the reason is printed."""

    help = "Verifies a token of a realm against its published keys."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("token", nargs="?", help="the token; read from standard input if left out")
        parser.add_argument("--typ", default="JWT", help="the kind of token that is expected, such as at+jwt")
        parser.add_argument("--audience", help="who must be among its audience")
        parser.add_argument("--realm", help="the realm's slug; the default realm if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        token = options["token"] or sys.stdin.read()
        try:
            verified = api.verify_jwt(
                token.strip(),
                realm=realm_named(options["realm"]),
                typ=options["typ"],
                audience=options["audience"],
                now=timezone.now(),
            )
        except KeysError as error:
            raise CommandError(f"Refused: {error}") from error
        self.stdout.write(
            json.dumps(
                {"kid": verified.kid, "algorithm": verified.algorithm, "claims": dict(verified.claims)},
                indent=2,
            )
        )
