"""`manage.py create_realm SLUG`: a further realm with its rings, first keys and built-in client."""

import json
from dataclasses import fields
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from idp_project.provisioning import Site, provide_realm
from keys.errors import KeysError
from keys.selectors import rings
from realms.errors import RealmError, TermsRefused
from realms.models import Realm
from realms.selectors import realm_by_slug, terms_of
from realms.spans import from_iso, in_iso
from realms.terms import Terms
from realms.vocabulary import Registration

WRONG_USAGE = 2
_LIFETIMES = (
    ("--access-token-lifetime", "how long its access tokens live"),
    ("--refresh-idle-lifetime", "a grant ends when nobody has refreshed it for this long"),
    ("--refresh-absolute-lifetime", "a grant ends this long after it began"),
)


class Command(BaseCommand):
    """Exit code 0: it is there, with all that it needs. 1: its keys could not be made. 2: wrong usage."""

    help = "Makes a realm with its key rings, first keys and built-in client, and prints it as JSON; safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        """The terms; the issuer follows from the slug and IDP_ISSUER, and is nobody's to choose."""
        parser.add_argument("slug", help="its name in addresses: the realm lives below /realms/SLUG")
        parser.add_argument("--name", help="what people read; the slug if left out")
        parser.add_argument(
            "--registration",
            type=Registration,
            choices=list(Registration),
            help="who makes its accounts: operators alone (closed, the default), whoever they invite (invited), "
            "or whoever comes (open)",
        )
        parser.add_argument(
            "--require-second-factor",
            action="store_true",
            default=None,  # not said, which is another thing than no for a realm that is there
            help="everybody has to prove a second factor",
        )
        parser.add_argument("--accent", help="the colour of its pages' links and buttons, such as #1f6f54")
        parser.add_argument("--accent-dark", help="the same in the dark scheme")
        parser.add_argument("--without-keys", action="store_true", help="make no keys: import_keys comes next")
        for option, what in _LIFETIMES:
            parser.add_argument(option, help=f"{what}, ISO 8601 such as PT5M")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it, or what is missing of it.

        Raises:
            CommandError: what is wrong.
        """
        slug, asked = options["slug"], _asked(options)
        _refuse_other_terms(slug, asked)
        try:
            realm, created = provide_realm(
                slug=slug,
                terms=Terms(**{"name": slug, **asked}),
                site=Site(base=settings.IDP_ISSUER, expired_tokens=settings.IDP_EXPIRED_TOKENS),
                actor="command:create_realm",
                clock=timezone.now,
                say=self.stderr.write,
                with_keys=not options["without_keys"],
            )
        except TermsRefused as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        except (RealmError, KeysError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(_told(realm) | {"created": created}, indent=2, ensure_ascii=False))


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """The terms that were given, by their columns."""
    given = {field.name: options.get(field.name) for field in fields(Terms)}
    asked = {name: value for name, value in given.items() if value is not None}
    for option, _what in _LIFETIMES:
        name = option.removeprefix("--").replace("-", "_")
        if name in asked:
            asked[name] = _span(option, asked[name])
    return asked


def _span(option: str, text: str) -> timedelta:
    try:
        found = from_iso(text)
    except OverflowError:
        found = None
    if found is None:
        raise CommandError(f"{option} wants an ISO 8601 duration such as PT5M.", returncode=WRONG_USAGE)
    return found


def _refuse_other_terms(slug: str, asked: dict[str, Any]) -> None:
    """A realm that is there keeps its terms: whoever runs the command again wants it completed."""
    realm = realm_by_slug(slug)
    if realm is None:
        return
    terms = terms_of(realm)
    other = sorted(name for name, value in asked.items() if getattr(terms, name) != value)
    if other:
        raise CommandError(
            f"The realm {slug!r} is there with another {' and '.join(other)}: change it in the admin, or by "
            f"import_config.",
            returncode=WRONG_USAGE,
        )


def _told(realm: Realm) -> dict[str, object]:
    terms = terms_of(realm)
    values = {field.name: getattr(terms, field.name) for field in fields(terms)}
    spoken = {name: in_iso(value) if isinstance(value, timedelta) else value for name, value in values.items()}
    return {
        "slug": realm.slug,
        "issuer": realm.issuer,
        **spoken,
        "rings": [str(ring) for ring in rings(realm=realm.slug)],
    }
