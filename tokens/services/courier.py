"""Delivers logouts soon after the commit; the thread is that of accounts/courier.py."""

import logging
import os
from datetime import timedelta

from django.utils import timezone

from accounts.courier import Courier, one_round, wake_if_waiting
from tokens.selectors import next_logout_attempt
from tokens.services.logout_delivery import deliver_due

logger = logging.getLogger("signet.logout")


def make_round() -> timedelta | None:
    """Deliver the logouts that are due, and say when to come back."""
    return one_round(lambda until: deliver_due(clock=timezone.now, until=until), next_logout_attempt, log=logger)


courier = Courier(make_round)
os.register_at_fork(after_in_child=courier.forget)


def resume() -> None:
    """Look after what other processes have left, when this one starts."""
    wake_if_waiting(courier, next_logout_attempt, log=logger)
