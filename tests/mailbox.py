"""Reading mail as a person does: what was sent, and the link in it."""

import re
from datetime import datetime
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings
from django.core import mail
from django.utils import timezone

from accounts.services.mail_courier import courier
from accounts.services.mail_delivery import send_due


class Mailbox:
    """The mails that were sent in a test; sent here and now, since no thread does it."""

    def open(self, now: datetime | None = None) -> list[mail.EmailMessage]:
        """All mails so far, those that waited included."""
        send_due(clock=lambda: now or timezone.now())
        return list(mail.outbox)

    def last(self, now: datetime | None = None) -> mail.EmailMessage:
        """The mail that came last."""
        return self.open(now)[-1]

    def link(self, now: datetime | None = None) -> str:
        """Path and query of the link with a secret in the last mail."""
        [found] = re.findall(r"https://\S*[?]link=\S+", str(self.last(now).body))
        parts = urlsplit(found)
        return f"{parts.path}?{parts.query}"


@pytest.fixture
def mailbox(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """An installation that sends mail."""
    settings.IDP_CAN_MAIL = True
    monkeypatch.setattr(courier, "wake", lambda: None)
    return Mailbox()
