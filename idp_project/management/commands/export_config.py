"""`manage.py export_config`: realms with their rings' policies, clients and upstreams as JSON. No secret is in it."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp_project.configuration.document import Kind, render
from idp_project.configuration.exporting import present_things
from idp_project.configuration.schema import SCHEMA

WRONG_USAGE = 2


class Command(BaseCommand):
    """Exit code 0: printed. 2: wrong usage."""

    help = "Prints realms with their rings' policies, clients and upstreams as JSON, for import_config; never a secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--realm", action="append", help="a realm's slug; repeatable, all realms if left out")
        parser.add_argument(
            "--portable", action="store_true", help="leave out the issuers, which another installation has others of"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it.

        Raises:
            CommandError: there is no such realm.
        """
        things = present_things(options["realm"])
        unknown = sorted(set(options["realm"] or ()) - {place.realm for place in things})
        if unknown:
            raise CommandError(f"There is no realm {', '.join(map(repr, unknown))}.", returncode=WRONG_USAGE)
        if options["portable"]:
            things = {
                place: {name: value for name, value in members.items() if (place.kind, name) != (Kind.REALM, "issuer")}
                for place, members in things.items()
            }
        self.stdout.write(json.dumps(render(things, SCHEMA), indent=2, ensure_ascii=False))
