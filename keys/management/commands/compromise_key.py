"""`manage.py compromise_key`: distrusts a key at once. Works without the master secret as far as it can."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys import reports
from keys.errors import KeysError
from keys.management.commands._arguments import WRONG_USAGE, realm_named
from keys.models import KeyPair
from keys.selectors import key_by_kid
from keys.services.compromise import CompromiseReport, compromise, preview
from keys.services.rotation import rotate

ACTOR = "command:compromise_key"


class Command(BaseCommand):
    """Exit code 0: done. 1: distrusted, but no new standby could be made. 2: wrong usage."""

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
        except KeysError as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        failure = "" if options["dry_run"] else _make_successor(key)
        self._tell(report, failure, options)
        if failure:
            raise SystemExit(1)

    def _tell(self, report: CompromiseReport, failure: str, options: dict[str, Any]) -> None:
        if options["json"]:
            document = {
                "dry_run": options["dry_run"],
                "condemned": report.condemned,
                "successor": report.successor,
                "propagated_at": reports.moment(report.propagated_at),
                "impact": dict(report.impact),
                "error": failure or None,
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        verb = "Would distrust" if options["dry_run"] else "Distrusted"
        self.stdout.write(f"{verb}: {', '.join(report.condemned)}")
        for line in consequences(report):
            self.stdout.write(line)
        if failure:
            self.stderr.write(f"No new key could be made: {failure} Then run rotate_keys.")


def consequences(report: CompromiseReport) -> list[str]:
    """What follows from a compromise, one sentence each."""
    lines = [f"Hit at most: {count} {name}" for name, count in report.impact.items()]
    if report.successor is None:
        lines.append(
            "The ring has no other key: nothing is signed until a new one is made, and verifiers have yet to fetch it."
        )
    else:
        lines.append(f"Signs from now on: {report.successor}")
    if report.propagated_at is not None:
        lines.append(
            f"The successor has not propagated: verifiers with a cached JWKS may refuse its tokens until "
            f"{reports.moment(report.propagated_at)}."
        )
    return lines


def _make_successor(key: KeyPair) -> str:
    """Have a new standby made; the distrust stands whether that works or not."""
    try:
        rotate(key.ring, now=timezone.now(), actor=ACTOR)
    except KeysError as error:
        return str(error)
    return ""
