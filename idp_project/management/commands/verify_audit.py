"""`manage.py verify_audit`: whether security events are as they were sealed, and if not, which are not."""

import json
import re
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit.verification import Findings
from idp_project.audit_seals import verify_audit
from keys.management.commands._arguments import WRONG_USAGE

_NOTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


class Command(BaseCommand):
    """Exit code 0: the chain is whole. 1: it isn't. 2: wrong usage."""

    help = "Goes over the hash chain of security events and names what was changed, removed or re-ordered."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--noted", action="append", default=[], help="a head noted down earlier, as NUMBER:HEAD; may be repeated"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        found = verify_audit(timezone.now(), noted=dict(_noted(text) for text in options["noted"]))
        if options["json"]:
            since = found.unsealed_since.isoformat() if found.unsealed_since else None
            self.stdout.write(json.dumps({**asdict(found), "unsealed_since": since}, indent=2))
        else:
            self._tell(found)
        if found.faults:
            raise SystemExit(1)

    def _tell(self, found: Findings) -> None:
        self.stdout.write(f"{found.seals} seals over {found.events} events; head {found.head or 'none'}")
        if found.unsealed_since is not None:
            self.stdout.write(
                f"Not sealed yet: {found.unsealed} events since {found.unsealed_since:%Y-%m-%d %H:%M} UTC"
            )
        for doubt in found.doubts:
            self.stdout.write(f"A later seal vouches where this one can't: {doubt}")
        for fault in found.faults:
            self.stdout.write(f"FAULT: {fault}")
        if not found.faults:
            self.stdout.write("The chain is whole.")


def _noted(text: str) -> tuple[int, str]:
    match = _NOTED.fullmatch(text.lower())
    if match is None:
        raise CommandError(f"{text[:100]!r} is no NUMBER:HEAD, as seal_audit prints it.", returncode=WRONG_USAGE)
    return int(match[1]), match[2]
