"""`manage.py rewrap_keys`: moves every sealed value to the first master secret, online and resumably."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from keys.conf import master_secrets
from keys.errors import KeysError
from keys.services.rewrapping import rewrap_all


class Command(BaseCommand):
    """Exit code 0: all values are under the first secret. 1: one didn't open; run it again."""

    help = "Moves every sealed value to the first master secret; says which old one may go."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            secrets = master_secrets()
            report = rewrap_all(actor="command:rewrap_keys", now=timezone.now())
        except KeysError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Moved {report.moved} sealed values to the master secret {secrets.first!r}.")
        for secret_id in secrets.ids[1:]:
            left = report.sealed_by.get(secret_id, 0)
            self.stdout.write(
                f"The master secret {secret_id!r} still seals {left} values: run rewrap_keys again."
                if left
                else f"The master secret {secret_id!r} seals nothing any more: take it out of IDP_MASTER_SECRETS."
            )
        for secret_id in sorted(report.sealed_by.keys() - set(secrets.ids)):
            self.stdout.write(f"{secret_id!r} of another custodian seals {report.sealed_by[secret_id]} values.")
