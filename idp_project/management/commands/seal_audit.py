"""`manage.py seal_audit`: seals security events into the hash chain; `rotate_keys` does it by the way."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from audit.models import Seal
from audit.sealing import waiting_since
from idp_project.audit_seals import seal_audit
from keys.errors import KeysError


class Command(BaseCommand):
    """Exit code 0: done, or nothing to seal. 1: not everything was sealed, or no key could sign; run it again."""

    help = "Seals every security event that isn't sealed yet, and prints the head to note down elsewhere."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sealed = seal_audit(timezone.now(), look_back=None)
        except KeysError as error:
            raise CommandError(f"The events are sealed, but the seals are not signed: {error}") from error
        except OperationalError as error:  # such as another run that doesn't get on
            raise CommandError(f"Not all events are sealed: {str(error).strip()} Run it again.") from error
        self.stdout.write(f"Sealed {sealed} events.")
        since = waiting_since()
        if since is not None:
            self.stdout.write(
                f"Not sealed yet: events since {since:%Y-%m-%d %H:%M} UTC; a transaction that is older still runs."
            )
        last = Seal.objects.order_by("-number").first()
        if last is not None:
            self.stdout.write(f"Head {last.number}:{bytes(last.head).hex()}")
