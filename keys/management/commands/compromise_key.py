"""`manage.py compromise_key`: distrusts a key at once. Works without the master secret as far as it can."""

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from keys import reports
from keys.errors import KeysError, RingBusy
from keys.management.commands._arguments import WRONG_USAGE, realm_named
from keys.models import KeyPair
from keys.selectors import key_by_kid
from keys.services.compromise import CompromiseReport, compromise, preview
from keys.services.dead_keys import unwritten
from keys.services.rotation import rotate
from keys.steps import Step

ACTOR = "command:compromise_key"


class Command(BaseCommand):
    """Exit code 0: done. 1: distrusted, but no new standby could be made, or the file of dead keys not written; or
    another run held the ring, and nothing was done. 2: wrong usage.
    """

    help = "Declares a key compromised: it leaves the JWKS, its standby signs, a new standby is made."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kid", help="the key's id")
        parser.add_argument("--realm", help="the realm's slug; needed only where two realms share a key")
        parser.add_argument("--reason", default="", help="why, for the audit")
        parser.add_argument(
            "--whole-ring", action="store_true", help="a host was lost: distrust the ring's other keys too"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what is hit at most; change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["realm"] is not None:
            realm_named(options["realm"])
        try:
            key = key_by_kid(options["kid"], realm=options["realm"])
            everything = options["whole_ring"]
            report = (
                preview(key, everything=everything)
                if options["dry_run"]
                else compromise(key, actor=ACTOR, reason=options["reason"], everything=everything)
            )
        except RingBusy as error:
            raise CommandError(str(error)) from error
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        made, failure = ([], "") if options["dry_run"] else _make_successor(key)
        forgotten = "" if options["dry_run"] else unwritten(timezone.now())
        self._tell(report, made, failure, options)
        if forgotten:
            self.stderr.write(f"A dump that is restored would revive it: {forgotten} Then run rotate_keys.")
        if failure or forgotten:
            raise SystemExit(1)

    def _tell(
        self, report: CompromiseReport, made: Sequence[tuple[Step, str]], failure: str, options: dict[str, Any]
    ) -> None:
        if options["json"]:
            document = {
                "dry_run": options["dry_run"],
                "condemned": report.condemned,
                "successor": report.successor,
                "propagated_at": reports.moment(report.propagated_at),
                "impact": dict(report.impact),
                "verifiers": [reports.reaction_as_json(reaction) for reaction in report.verifiers],
                "steps": [reports.step_as_json(step, kid) for step, kid in made],
                "error": failure or None,
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        verb = "Would distrust" if options["dry_run"] else "Distrusted"
        self.stdout.write(f"{verb}: {', '.join(report.condemned)}")
        for line in reports.consequences(report):
            self.stdout.write(line)
        for line in reports.followers(report):
            self.stdout.write(line)
        for step, kid in made:
            self.stdout.write(f"Then {reports.in_words(step, kid)}")
        if failure:
            self.stderr.write(f"No new key could be made: {failure} Then run rotate_keys.")


def _make_successor(key: KeyPair) -> tuple[Sequence[tuple[Step, str]], str]:
    """Have a new standby made; the distrust stands whether that works or not."""
    try:
        return rotate(key.ring, now=timezone.now(), actor=ACTOR).steps, ""
    except (KeysError, DatabaseError) as error:
        return [], str(error).strip()
