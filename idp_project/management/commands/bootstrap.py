"""`manage.py bootstrap`: the default realm, its rings and keys, and the built-in client. Run it after migrate."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from idp_project.provisioning import Site, provide_realm
from keys.errors import KeysError
from realms.errors import RealmError
from realms.selectors import DEFAULT_SLUG
from realms.terms import Terms


class Command(BaseCommand):
    """Makes what is missing and leaves the rest as it is; exit code 1 where that can't be done."""

    help = "Makes the default realm with its key rings, first keys and built-in client; safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        """The one option, for the way back from an export."""
        parser.add_argument("--without-keys", action="store_true", help="make no keys: import_keys comes next")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            provide_realm(
                slug=DEFAULT_SLUG,
                terms=Terms(name="Signet"),
                site=Site(base=settings.IDP_ISSUER, expired_tokens=settings.IDP_EXPIRED_TOKENS),
                actor="command:bootstrap",
                clock=timezone.now,
                say=self.stdout.write,
                with_keys=not options["without_keys"],
            )
        except (RealmError, KeysError) as error:
            raise CommandError(str(error)) from error
