"""`manage.py rotate_keys`: does what the timetables ask for. Run it from cron, at any time, from anywhere."""

import json
import logging
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from keys import forecast_reports, hooks, reports
from keys.errors import KeysError
from keys.management.commands import _simulation
from keys.management.commands._arguments import add_ring_choice, chosen_rings
from keys.models import KeyRing
from keys.services.rotation import RotationReport, preview, rotate

ACTOR = "command:rotate_keys"
logger = logging.getLogger("signet.keys")


class Command(BaseCommand):
    """Exit code 0: done, or nothing due. 1: something failed, the other rings went on. 2: wrong usage.

    With --simulate nothing is done. 0: no verifier fails. 1: one does, or a policy is refused. A verifier that
    no propagation helps counts only if --verifiers names it.
    """

    help = "Makes, schedules and wipes keys as the rings' timetables ask; says what comes next and when."

    def add_arguments(self, parser: CommandParser) -> None:
        add_ring_choice(parser)
        parser.add_argument(
            "--force", action="store_true", help="bring the next takeover as near as is safe for verifiers"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done; change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        _simulation.add_simulation(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        _simulation.refuse_mixtures(options)
        if options["simulate"] is not None:
            self._simulate(options)
            return
        # Making an RSA key takes seconds, so each ring is held against the clock of its own moment.
        rings = [_outcome(ring, timezone.now(), options) for ring in chosen_rings(options)]
        chores = {} if options["dry_run"] else hooks.run_housekeeping(timezone.now())
        if options["json"]:
            document = {
                "dry_run": options["dry_run"],
                "rings": [ring for ring, _ in rings],
                "housekeeping": chores,
            }
            self.stdout.write(json.dumps(document, indent=2))
        else:
            self._tell([lines for _, lines in rings], chores)
        if any(ring["error"] for ring, _ in rings) or any(type(count) is str for count in chores.values()):
            raise SystemExit(1)

    def _simulate(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        found = _simulation.simulate(chosen_rings(options), options, now)
        if options["json"]:
            document = {
                "simulated_from": reports.moment(now),
                "rings": [forecast_reports.as_json(ring) for ring in found],
            }
            self.stdout.write(json.dumps(document, indent=2))
        else:
            self._tell([forecast_reports.lines(ring) for ring in found], {})
        if _simulation.fails(found, options):
            raise SystemExit(1)

    def _tell(self, rings: list[list[str]], chores: dict[str, int | str]) -> None:
        for lines in rings:
            self.stdout.write("\n  ".join(lines))
        for name, count in chores.items():
            if count:
                self.stdout.write(f"{name}: {count}")


def _outcome(ring: KeyRing, now: datetime, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """One ring as JSON and as lines; a ring that fails doesn't stop the others."""
    title, found = f"{ring.realm.slug} {ring}:", reports.ring_as_json(ring)
    try:
        report = (
            preview(ring, now=now, force=options["force"])
            if options["dry_run"]
            else rotate(ring, now=now, actor=ACTOR, force=options["force"])
        )
    except (KeysError, DatabaseError) as error:
        logger.error("rotation.failed ring=%s error=%s", ring.pk, type(error).__name__)  # noqa: TRY400
        sentence = str(error).strip()
        return {**found, "steps": [], "next": None, "error": sentence}, [title, f"FAILED: {sentence}"]
    steps = [reports.step_as_json(step, kid) for step, kid in report.steps]
    coming = reports.next_as_json(report.next_takeover)
    return {**found, "steps": steps, "next": coming, "error": None}, _lines(title, report, options)


def _lines(title: str, report: RotationReport, options: dict[str, Any]) -> list[str]:
    would = "would: " if options["dry_run"] else ""
    done = [f"{would}{reports.in_words(step, kid)}" for step, kid in report.steps]
    coming = report.next_takeover
    then = f"next: key {coming.kid} takes over at {reports.moment(coming.at)}" if coming else "next: not scheduled"
    return [title, *(done or ["nothing due"]), then]
