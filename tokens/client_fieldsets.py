"""How the admin groups what a client registers: first what every client needs, folded what few do."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under one heading.

    Attributes:
        heading: a few plain words.
        description: when an operator needs it.
        names: the fields, in order.
        folded: whether it stands closed until somebody opens it.
    """

    heading: str
    description: str
    names: tuple[str, ...]
    folded: bool = True


GROUPS = (
    Group(
        "Who it is",
        "A web server that can keep a secret authenticates by one; an app in a browser or on a phone by none.",
        ("realm", "client_id", "kind", "name", "enabled", "auth_method", "jwks", "created_at"),
        folded=False,
    ),
    Group(
        "Where people come back",
        "For clients at which people sign in. A client that only calls services has none of these.",
        ("redirect_uris", "cors_origins"),
        folded=False,
    ),
    Group(
        "What it may ask for",
        "For people: authorization_code, refresh_token to stay connected, and the scope openid. "
        "For itself: client_credentials.",
        (
            "grant_types", "scopes", "resources", "introspects", "first_party", "require_second_factor", "require_pkce",
            "response_types",
        ),
        folded=False,
    ),
    Group(
        "Tokens",
        "What stands here suits most clients; change it where the client's library asks for something else.",
        (
            "id_token_alg", "userinfo_alg", "access_token_alg", "opaque_access_tokens", "require_dpop",
            "access_token_lifetime", "refresh_idle_lifetime", "refresh_absolute_lifetime", "subject_type",
            "sector_identifier",
        ),
    ),
    Group(
        "Encryption",
        "For clients that want ID tokens or userinfo encrypted. They need a JWK Set with a key to encrypt to.",
        ("id_token_encryption_alg", "id_token_encryption_enc", "userinfo_encryption_alg", "userinfo_encryption_enc"),
    ),
    Group(
        "Sign-out",
        "Where people go after they signed out, and where the client is told of it.",
        ("post_logout_redirect_uris", "backchannel_logout_uri", "backchannel_logout_session_required"),
    ),
    Group(
        "Shown to people",
        "What the consent page shows beside the name. The contacts stand here for operators alone.",
        ("client_uri", "logo_uri", "policy_uri", "tos_uri", "contacts"),
    ),
)  # fmt: skip


def fieldsets(shown: Collection[str]) -> Iterator[tuple[str, dict[str, object]]]:
    """The groups as Django's admin takes them.

    Arguments:
        shown: names of the fields that the page has; a group without any is left out.
    """
    for group in GROUPS:
        names = tuple(name for name in group.names if name in shown)
        if names:
            classes = ("collapse",) if group.folded else ()
            yield group.heading, {"fields": names, "description": group.description, "classes": classes}
