"""`manage.py list_keys`: every key with its state and timetable."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from keys import reports
from keys.management.commands._arguments import add_ring_choice, chosen_rings
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
        keys = keys_in(chosen_rings(options))
        if options["json"]:
            document = {"now": reports.moment(now), "keys": [reports.key_as_json(key, now) for key in keys]}
            self.stdout.write(json.dumps(document, indent=2))
            return
        for key in keys:
            state = state_at(timetable_of(key), now)
            start = reports.moment(key.activates_at)
            until = f" until {reports.moment(key.deactivates_at)}" if key.deactivates_at else ""
            self.stdout.write(f"{key.realm.slug} {key.ring}  {state:<12} {key.kid}  signs from {start}{until}")
