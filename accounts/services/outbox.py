"""The outbox of mails: what is to be sent is written with what it tells of, sealed whole.

Sending is for `accounts.services.mail_delivery`.
"""

import json
import uuid
from datetime import datetime

from django.db import transaction

from accounts.letters import Letter
from accounts.models import OutgoingMail
from accounts.services.mail_courier import courier
from accounts.services.mail_delivery import CONTENT
from keys import api as keys


def post(letter: Letter, *, to: str, now: datetime, really: bool = True) -> None:
    """Write down what is to be mailed, in the transaction of what it tells of; it is sent after the commit.

    Arguments:
        letter: subject and text.
        to: the address; checked before.
        now: aware time.
        really: False for a mail that nobody gets. It costs the same work and a row of its own, so that nobody
            learns from the time that an answer takes whether somebody was written to.
    """
    key = uuid.uuid4()
    plain = json.dumps({"to": to, "subject": letter.subject, "text": letter.text}).encode()
    content = keys.seal(plain, column=CONTENT, row=str(key))
    with transaction.atomic():
        OutgoingMail.objects.create(
            pk=key, content=content if really else None, created_at=now, next_attempt_at=now, attempts=0
        )
        transaction.on_commit(courier.wake, robust=True)
