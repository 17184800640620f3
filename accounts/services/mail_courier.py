"""Sends mail soon after the commit; the thread is that of accounts/courier.py."""

import logging
import os
from datetime import timedelta

from django.utils import timezone

from accounts.courier import Courier, one_round, wake_if_waiting
from accounts.selectors.mail import next_mail_attempt
from accounts.services.mail_delivery import send_due

logger = logging.getLogger("signet.mail")


def make_round() -> timedelta | None:
    """Send the mails that are due, and say when to come back."""
    return one_round(lambda until: send_due(clock=timezone.now, until=until), next_mail_attempt, log=logger)


courier = Courier(make_round, name="signet-mail")
os.register_at_fork(after_in_child=courier.forget)


def resume() -> None:
    """Look after what other processes have left, when this one starts."""
    wake_if_waiting(courier, next_mail_attempt, log=logger)
