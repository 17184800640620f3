"""`manage.py import_config FILE`: makes the database like a configuration that `export_config` printed."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from idp_project.configuration.applying import apply_import, follow_with_keys, plan_import
from idp_project.configuration.difference import in_words
from idp_project.configuration.document import MAX_BYTES, Place, Things, parse
from idp_project.configuration.given_secrets import read_secrets
from idp_project.configuration.schema import SCHEMA
from idp_project.errors import ConfigurationRefused
from idp_project.provisioning import Site
from keys.errors import KeysError

ACTOR = "command:import_config"
WRONG_USAGE = 2
DIFFERENT = 3


class Command(BaseCommand):
    """Exit code 0: done, or no difference. 1: failed. 2: refused, and nothing was changed. 3: differences (dry run)."""

    help = (
        "Makes realms, rings' policies, clients and upstreams like a JSON document; what it doesn't name is left alone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="what export_config printed; - for standard input")
        parser.add_argument(
            "--upstream-secrets",
            metavar="FILE",
            help="client secrets at upstream providers, as JSON by realm and slug; of nobody else to read",
        )
        parser.add_argument("--dry-run", action="store_true", help="print what would change; write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import it, or tell what that would do.

        Raises:
            CommandError: what is wrong, a line a fault.
        """
        site = Site(base=settings.IDP_ISSUER, expired_tokens=settings.IDP_EXPIRED_TOKENS)
        try:
            wanted = parse(_read(options["file"]), SCHEMA)
            file = options["upstream_secrets"]
            given = read_secrets(Path(file)) if file else {}
            if options["dry_run"]:
                self._tell(wanted, site, given)
            else:
                self._import(wanted, site, given)
        except ConfigurationRefused as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error

    def _tell(self, wanted: Things, site: Site, given: Mapping[Place, str]) -> None:
        try:
            changes = plan_import(wanted, site=site, given=given).changes
        except KeysError as error:
            raise CommandError(str(error)) from error
        for line in in_words(changes, SCHEMA):
            self.stdout.write(line)
        if changes:
            raise SystemExit(DIFFERENT)
        self.stdout.write("Nothing would change.")

    def _import(self, wanted: Things, site: Site, given: Mapping[Place, str]) -> None:
        """Rows first; what was done is told before the keys are made, or the secrets could get lost with them."""
        try:
            imported = apply_import(wanted, site=site, given=given, actor=ACTOR, now=timezone.now())
        except KeysError as error:
            raise CommandError(f"Nothing was imported: {error}") from error
        done = {"changes": list(in_words(imported.changes, SCHEMA)), "client_secrets": imported.secrets}
        self.stdout.write(json.dumps(done, indent=2, ensure_ascii=False))
        self.stdout.flush()
        try:
            follow_with_keys(imported, actor=ACTOR, clock=timezone.now, say=self.stderr.write)
        except KeysError as error:
            raise CommandError(
                f"All is imported, but the keys don't follow yet: {error} Then run rotate_keys."
            ) from error


def _read(name: str) -> bytes:
    """The document, or a little more than it may have."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CommandError(f"{name!r} can't be read.", returncode=WRONG_USAGE) from error
