"""`manage.py create_user`: a person, or an operator, with a password from standard input."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.errors import AccountsError
from accounts.models import User
from accounts.services.operators import create_operator
from accounts.services.people import create_member
from accounts.vocabulary import OperatorRole
from realms.models import Realm
from realms.selectors import DEFAULT_SLUG, realm_by_slug


class Command(BaseCommand):
    """Make a person and their membership in a realm."""

    help = "Make a person; the password comes from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """The arguments."""
        parser.add_argument("name", help="the user name")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--email", default="", help="the person's email address")
        admin = parser.add_mutually_exclusive_group()
        admin.add_argument("--operator", action="store_true", help="an owner: may do everything in the admin")
        admin.add_argument(
            "--admin-role",
            choices=[role.replace(" ", "-") for role in OperatorRole],
            help="what they may do in the admin; left out: they have no part in it",
        )
        parser.add_argument("--realm", default=DEFAULT_SLUG, help="the realm that they are a member of")
        parser.add_argument("--role", action="append", default=[], help="what they are in the realm; repeatable")

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
            person = _create(options, password, realm)
        except AccountsError as error:
            raise CommandError(str(error)) from error
        kind = "operator" if person.is_staff else "person"
        self.stdout.write(f"Made the {kind} {person.username}, a member of {realm.slug}.")


def _create(options: dict[str, Any], password: str, realm: Realm) -> User:
    asked: dict[str, Any] = {
        "username": options["name"],
        "password": password,
        "email": options["email"],
        "realm": realm,
        "roles": options["role"],
        "actor": "command:create_user",
        "now": timezone.now(),
    }
    role = _role_of(options)
    return create_operator(**asked, role=role) if role else create_member(**asked)


def _role_of(options: dict[str, Any]) -> OperatorRole | None:
    if options["operator"]:
        return OperatorRole.OWNER
    asked = options["admin_role"]
    return OperatorRole(asked.replace("-", " ")) if asked else None
