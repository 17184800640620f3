"""`manage.py list_keys`: every key with its state and timetable, and how far the next keys have come."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from keys import reports
from keys.evidence import Propagation
from keys.management.commands._arguments import add_ring_choice, chosen_rings
from keys.models import KeyRing
from keys.overview import RingOverview, overviews, with_evidence
from keys.selectors import keys_in, timetable_of
from keys.timetable import state_at


class Command(BaseCommand):
    """Public facts alone; it needs no master secret."""

    help = "Lists every key with its state and timetable."

    def add_arguments(self, parser: CommandParser) -> None:
        add_ring_choice(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        rings = chosen_rings(options)
        keys = keys_in(rings)
        present = with_evidence(overviews(rings, keys, now), now)
        if options["json"]:
            document = {
                "now": reports.moment(now),
                "keys": [reports.key_as_json(key, now) for key in keys],
                "next_keys": [_next_as_json(ring) for ring in present if ring.held],
            }
            self.stdout.write(json.dumps(document, indent=2))
            return
        for key in keys:
            state = state_at(timetable_of(key), now)
            self.stdout.write(
                f"{key.realm.slug} {key.ring}  {state:<12} {key.kid}  {reports.custody_in_words(key)}  "
                f"{reports.turn_in_words(key)}"
            )
        for ring in present:
            if ring.held:
                self.stdout.write("\n  ".join(_next_in_words(ring.ring, ring.held)))


def _next_as_json(present: RingOverview) -> dict[str, Any]:
    evidence = reports.held_as_json(present.held) if present.held else {}
    return {**reports.ring_as_json(present.ring), "takes_over_at": reports.moment(present.takeover_at),
            "waits": present.waits, **evidence}  # fmt: skip


def _next_in_words(ring: KeyRing, held: Propagation) -> list[str]:
    lines = [f"{ring.realm.slug} {ring}: {reports.held_in_words(held)}"]
    lines += [reports.behind_in_words(late) for late in held.behind]
    if held.lacking > len(held.behind):
        lines.append(f"and {held.lacking - len(held.behind)} more")
    if held.unseated:
        lines.append(f"and others, for whom no slot is free: {held.unseated} fetches within 7 days")
    return lines
