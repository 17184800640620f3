"""`manage.py create_client CLIENT_ID`: registers a client and prints it as JSON, its secret this once."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_duration

from keys import api
from keys.errors import ForeignKeyRefused
from realms.selectors import DEFAULT_SLUG, realm_by_slug
from tokens.client_metadata import ClientMetadata
from tokens.services.clients import ClientIdTaken, ClientRefused, create_client
from tokens.vocabulary import AuthMethod, GrantType

WRONG_USAGE = 2


class Command(BaseCommand):
    """Exit code 0: registered. 2: wrong usage; one sentence a fault."""

    help = "Registers a client and prints it as JSON; its secret is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """The metadata, by the names of RFC 7591."""
        parser.add_argument("client_id", help="unique in the realm")
        parser.add_argument("--name", help="what people read; the client_id if left out")
        parser.add_argument("--realm", default=DEFAULT_SLUG, help="the realm's slug")
        parser.add_argument(
            "--auth-method",
            choices=[item.value for item in AuthMethod],
            default=AuthMethod.BASIC.value,
            help="how it proves who it is; none makes it a public client",
        )
        parser.add_argument("--jwks-file", type=Path, help="its public keys as a JWK Set, for private_key_jwt")
        parser.add_argument("--access-token-lifetime", help="ISO 8601, such as PT5M; the realm's if left out")
        parser.add_argument("--first-party", action="store_true", help="people are not asked for their consent")
        parser.add_argument("--without-pkce", action="store_true", help="for an old confidential client")
        parser.add_argument(
            "--id-token-alg", choices=api.signing_algorithms(), default="RS256", help="how its ID tokens are signed"
        )
        for option, what in (
            ("--post-logout-redirect-uri", "where people may be sent after they signed out"),
            ("--redirect-uri", "where codes may go, compared letter by letter"),
            ("--grant-type", "may be used"),
            ("--scope", "may be asked for"),
            ("--resource", "an audience that may be asked for"),
            ("--introspects", "an audience that this client is: it may introspect tokens for it"),
        ):
            parser.add_argument(option, action="append", default=[], help=f"{what}; repeatable")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Register it.

        Raises:
            CommandError: what is wrong.
        """
        realm = realm_by_slug(options["realm"])
        if realm is None:
            raise CommandError(f"There is no realm {options['realm']!r}.", returncode=WRONG_USAGE)
        try:
            client, secret = create_client(
                realm=realm,
                client_id=options["client_id"],
                name=options["name"] or options["client_id"],
                metadata=_metadata(options),
                actor="command:create_client",
                now=timezone.now(),
            )
        except (ClientIdTaken, ClientRefused) as error:
            raise CommandError(str(error), returncode=WRONG_USAGE) from error
        registered = {
            "client_id": client.client_id,
            "client_name": client.name,
            "token_endpoint_auth_method": client.auth_method,
            "redirect_uris": client.redirect_uris,
            "post_logout_redirect_uris": client.post_logout_redirect_uris,
            "id_token_signed_response_alg": client.id_token_alg,
            "grant_types": client.grant_types,
            "scope": " ".join(client.scopes),
            "resources": client.resources,
            "introspects": client.introspects,
        }
        self.stdout.write(json.dumps(registered | ({"client_secret": secret} if secret else {}), indent=2))


def _metadata(options: dict[str, Any]) -> ClientMetadata:
    unknown = sorted(set(options["grant_type"]) - set(GrantType))
    if unknown:
        raise CommandError(f"There is no grant type {', '.join(unknown)}.", returncode=WRONG_USAGE)
    return ClientMetadata(
        auth_method=AuthMethod(options["auth_method"]),
        redirect_uris=tuple(options["redirect_uri"]),
        post_logout_redirect_uris=tuple(options["post_logout_redirect_uri"]),
        first_party=options["first_party"],
        require_pkce=not options["without_pkce"],
        id_token_alg=options["id_token_alg"],
        jwks=_jwks(options["jwks_file"]),
        grant_types=tuple(GrantType(name) for name in options["grant_type"]),
        scopes=tuple(options["scope"]),
        resources=tuple(options["resource"]),
        introspects=tuple(options["introspects"]),
        access_token_lifetime=_lifetime(options["access_token_lifetime"]),
    )


def _lifetime(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        found = parse_duration(text)
    except (OverflowError, ValueError):
        found = None
    if found is None:
        raise CommandError("--access-token-lifetime wants an ISO 8601 duration such as PT5M.", returncode=WRONG_USAGE)
    return found


def _jwks(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        return api.parse_jwks(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} can't be read as UTF-8 text.", returncode=WRONG_USAGE) from error
    except ForeignKeyRefused as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
