"""`manage.py purge_expired`: removes what is dead, in small batches; `rotate_keys` ends with the same."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from keys.hooks import run_housekeeping


class Command(BaseCommand):
    """Exit code 0: done. 1: one of the chores failed; the others were done."""

    help = "Removes dead grants, sessions, spent tokens and full budgets; rotate_keys does the same."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Do it, and say how many rows went."""
        done = run_housekeeping(timezone.now())
        for name, count in done.items():
            self.stdout.write(f"{name}: {count}")
        if any(isinstance(count, str) for count in done.values()):
            raise SystemExit(1)
