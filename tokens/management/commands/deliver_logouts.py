"""`manage.py deliver_logouts`: tells clients of sign-outs that they have not heard of yet."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from tokens.services.logout_delivery import deliver_due
from tokens.vocabulary import DeliveryState


class Command(BaseCommand):
    """Exit code 0: everything that was due is delivered. 1: something was not; it waits or was given up."""

    help = "Delivers logout tokens that are due. The workers do this by themselves; it is safe beside them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """One attempt at each, and say what came of them."""
        done = deliver_due(clock=timezone.now)
        for state in DeliveryState:
            self.stdout.write(f"{state.replace('_', ' ')}: {done[state]}")
        if done[DeliveryState.WAITING] or done[DeliveryState.GIVEN_UP]:
            raise SystemExit(1)
