"""`manage.py create_user`: a person, or an operator, with a password from standard input."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.services.people import create_member
from realms.selectors import DEFAULT_SLUG, realm_by_slug


class Command(BaseCommand):
    """Make a person and their membership in a realm."""

    help = "Make a person; the password comes from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """The arguments."""
        parser.add_argument("name", help="the user name")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--email", default="", help="the person's email address")
        parser.add_argument("--operator", action="store_true", help="may do everything in the admin")
        parser.add_argument("--realm", default=DEFAULT_SLUG, help="the realm that they are a member of")
        parser.add_argument("--role", action="append", default=[], help="what they are there; repeatable")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Make the person.

        Raises:
            CommandError: one sentence that says what is wrong.
        """
        if not options["password_stdin"]:
            raise CommandError("Give --password-stdin and the password on standard input.")
        realm = realm_by_slug(options["realm"])
        if realm is None:
            raise CommandError(f"There is no realm {options['realm']!r}.")
        try:
            password = sys.stdin.read().removesuffix("\n")
        except UnicodeDecodeError as error:
            raise CommandError("The password on standard input is not UTF-8.") from error
        if not password:
            raise CommandError("The password on standard input is empty.")
        try:
            person = create_member(
                username=options["name"],
                password=password,
                email=options["email"],
                operator=options["operator"],
                realm=realm,
                roles=options["role"],
                actor="command:create_user",
                now=timezone.now(),
            )
        except AccountsError as error:
            raise CommandError(str(error)) from error
        kind = "operator" if options["operator"] else "person"
        self.stdout.write(f"Made the {kind} {person.username}, a member of {realm.slug}.")
