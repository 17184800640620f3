"""`manage.py deliver_mail`: sends the mails that wait."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.services.mail_delivery import send_due
from accounts.vocabulary import MailOutcome


class Command(BaseCommand):
    """Exit code 0: everything that was due is sent. 1: something was not; it waits or was given up."""

    help = "Sends mails that are due. The workers do this by themselves; it is safe beside them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """One attempt at each, and say what came of them."""
        done = send_due(clock=timezone.now)
        for outcome in MailOutcome:
            self.stdout.write(f"{outcome.replace('_', ' ')}: {done[outcome]}")
        if done[MailOutcome.WAITING] or done[MailOutcome.GIVEN_UP]:
            raise SystemExit(1)
