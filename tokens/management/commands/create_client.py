"""`manage.py create_client CLIENT_ID`: registers a client and prints it as JSON, its secret this once."""

import json
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_duration

from keys import api
from keys.errors import ForeignKeyRefused
from realms.selectors import DEFAULT_SLUG, realm_by_slug
from tokens.client_metadata import ClientMetadata
from tokens.registration import registration_of
from tokens.services.clients import ClientIdTaken, ClientRefused, create_client
from tokens.vocabulary import AuthMethod, GrantType, ResponseType, SubjectType

WRONG_USAGE = 2
Word = TypeVar("Word", bound=StrEnum)
_CHOICES = (
    (
        "--auth-method",
        [item.value for item in AuthMethod],
        AuthMethod.BASIC.value,
        "how it proves who it is; none makes it a public client",
    ),
    ("--id-token-alg", api.signing_algorithms(), "RS256", "how its ID tokens are signed"),
    ("--userinfo-alg", api.signing_algorithms(), "", "how userinfo is signed for it; plain JSON if left out"),
    (
        "--id-token-encryption-alg",
        api.encryption_algorithms(),
        "",
        "how the key of its encrypted ID tokens gets to it; they are signed only if left out",
    ),
    ("--id-token-encryption-enc", api.content_encryptions(), "", "how its ID tokens are encrypted with that key"),
    (
        "--userinfo-encryption-alg",
        api.encryption_algorithms(),
        "",
        "how the key of encrypted userinfo gets to it; it is signed only if left out",
    ),
    ("--userinfo-encryption-enc", api.content_encryptions(), "", "how userinfo is encrypted with that key"),
    ("--access-token-alg", api.signing_algorithms(), "ES256", "how its access tokens are signed"),
    (
        "--subject-type",
        [item.value for item in SubjectType],
        SubjectType.PUBLIC.value,
        "pairwise: it knows people by other subjects than clients of other sectors do",
    ),
)
_SWITCHES = (
    ("--first-party", "people are not asked for their consent"),
    ("--require-second-factor", "people have to prove a second factor for it"),
    ("--without-pkce", "for an old confidential client"),
    ("--dpop-bound-access-tokens", "it has to prove a key of its own wherever it gets tokens"),
    ("--opaque-access-tokens", "its access tokens can't be read: services introspect them"),
    ("--backchannel-logout-session-required", "it needs to be told which session ended"),
)
_LIFETIMES = (
    ("--access-token-lifetime", "how long an access token lives"),
    ("--refresh-idle-lifetime", "how long a refresh token lives that nobody uses"),
    ("--refresh-absolute-lifetime", "how long a grant lives, refreshed or not"),
)
_TEXTS = (
    ("--sector-identifier", "for pairwise subjects: a host; the one host of its redirect URIs if left out"),
    ("--backchannel-logout-uri", "where it is told that a session ended"),
    ("--client-uri", "its home page"),
    ("--logo-uri", "its logo"),
    ("--policy-uri", "how it deals with what it learns of people"),
    ("--tos-uri", "its terms of service"),
)
_LISTS = (
    ("--redirect-uri", "where codes may go, compared letter by letter"),
    ("--post-logout-redirect-uri", "where people may be sent after they signed out"),
    ("--grant-type", f"may be used: {', '.join(GrantType)}"),
    ("--response-type", "may be asked for; code, if left out, for a client with authorization_code"),
    ("--scope", "may be asked for"),
    ("--resource", "an audience that may be asked for"),
    ("--introspects", "an audience that this client is: it may introspect tokens for it"),
    ("--cors-origin", "an origin of its pages, whose scripts may call the token endpoint"),
    ("--contact", "the email address of somebody who answers for it"),
)


def _destination(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


_ALGORITHMS = tuple(option for option, *_ in _CHOICES if option.endswith(("-alg", "-enc")))
_PLAIN = tuple(_destination(option) for option in (*_ALGORITHMS, *dict(_TEXTS)))


class Command(BaseCommand):
    """Exit code 0: registered. 2: wrong usage; one sentence a fault."""

    help = "Registers a client and prints it as JSON; its secret is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        """The metadata, by the names of RFC 7591."""
        parser.add_argument("client_id", help="unique in the realm")
        parser.add_argument("--name", help="what people read; the client_id if left out")
        parser.add_argument("--realm", default=DEFAULT_SLUG, help="the realm's slug")
        parser.add_argument("--jwks-file", type=Path, help="its public keys as a JWK Set")
        for option, choices, default, what in _CHOICES:
            parser.add_argument(option, choices=choices, default=default, help=what)
        for option, what in _SWITCHES:
            parser.add_argument(option, action="store_true", help=what)
        for option, what in _LIFETIMES:
            parser.add_argument(option, help=f"{what}, ISO 8601 such as PT5M; the realm's if left out")
        for option, what in _TEXTS:
            parser.add_argument(option, default="", help=what)
        for option, what in _LISTS:
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
        registered = registration_of(client) | ({"client_secret": secret} if secret else {})
        self.stdout.write(json.dumps(registered, indent=2))


def _metadata(options: dict[str, Any]) -> ClientMetadata:
    return ClientMetadata(
        auth_method=AuthMethod(options["auth_method"]),
        jwks=_jwks(options["jwks_file"]),
        first_party=options["first_party"],
        require_second_factor=options["require_second_factor"],
        require_pkce=not options["without_pkce"],
        require_dpop=options["dpop_bound_access_tokens"],
        opaque_access_tokens=options["opaque_access_tokens"],
        backchannel_logout_session_required=options["backchannel_logout_session_required"],
        subject_type=SubjectType(options["subject_type"]),
        grant_types=_words(GrantType, options["grant_type"], "grant type"),
        response_types=_words(ResponseType, options["response_type"], "response type"),
        redirect_uris=tuple(options["redirect_uri"]),
        post_logout_redirect_uris=tuple(options["post_logout_redirect_uri"]),
        scopes=tuple(options["scope"]),
        resources=tuple(options["resource"]),
        introspects=tuple(options["introspects"]),
        cors_origins=tuple(options["cors_origin"]),
        contacts=tuple(options["contact"]),
        **{name: options[name] for name in _PLAIN},
        access_token_lifetime=_lifetime(options, "access_token_lifetime"),
        refresh_idle_lifetime=_lifetime(options, "refresh_idle_lifetime"),
        refresh_absolute_lifetime=_lifetime(options, "refresh_absolute_lifetime"),
    )


def _words(vocabulary: type[Word], given: list[str], what: str) -> tuple[Word, ...]:
    unknown = sorted(set(given) - {str(word) for word in vocabulary})
    if unknown:
        known = ", ".join(sorted(str(word) for word in vocabulary))
        raise CommandError(f"There is no {what} {', '.join(unknown)}; there are: {known}.", returncode=WRONG_USAGE)
    return tuple(vocabulary(word) for word in given)


def _lifetime(options: dict[str, Any], name: str) -> timedelta | None:
    text = options[name]
    if text is None:
        return None
    try:
        found = parse_duration(text)
    except (OverflowError, ValueError):
        found = None
    if found is None:
        option = "--" + name.replace("_", "-")
        raise CommandError(f"{option} wants an ISO 8601 duration such as PT5M.", returncode=WRONG_USAGE)
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
