"""`manage.py bootstrap`: the default realm, its rings and keys, and the built-in client. Run it after migrate."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.services import record
from audit.vocabulary import EventName
from keys.errors import KeysError
from keys.services.bootstrapping import ensure_rings
from realms.errors import RealmError
from realms.services import ensure_default_realm
from tokens.services.clients import ensure_direct_client

ACTOR = "command:bootstrap"


class Command(BaseCommand):
    """Makes what is missing and leaves the rest as it is; exit code 1 where that can't be done."""

    help = "Makes the default realm with its key rings, first keys and built-in client; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            realm, created = ensure_default_realm(issuer=settings.IDP_ISSUER, now=now)
            if created:
                record(EventName.REALM_CREATED, realm=realm.slug, actor=ACTOR, target=realm.issuer, now=now)
            ensure_rings(
                realm,
                expired_tokens=settings.IDP_EXPIRED_TOKENS,
                actor=ACTOR,
                now=now,
                say=self.stdout.write,
            )
            ensure_direct_client(realm=realm, actor=ACTOR, now=now)
        except (RealmError, KeysError) as error:
            raise CommandError(str(error)) from error
