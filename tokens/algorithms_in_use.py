"""Which clients have what signed with which algorithm."""

from collections.abc import Iterator, Sequence

from django.db.models import Q, QuerySet

from realms.models import Realm
from tokens.models import Client
from tokens.vocabulary import GrantType, TokenKind

# What OpenID Connect says of every provider whose clients may register how ID tokens are signed.
_DEMANDED = "RS256"


def users_of(realm: Realm, algorithm: str, kind: TokenKind) -> QuerySet[Client]:
    """The clients of a realm, enabled or not, for which something is signed with an algorithm.

    Arguments:
        kind: access tokens; or what the client itself reads, which is ID tokens, logout tokens and userinfo.
    """
    return Client.objects.filter(Q(realm=realm) & used_for(kind, algorithm)).order_by("pk")


def used_for(kind: TokenKind, algorithm: str) -> Q:
    """Of clients: those for which tokens of a kind are signed so. What a client never gets doesn't count."""
    if kind is TokenKind.ACCESS:
        return Q(access_token_alg=algorithm, opaque_access_tokens=False)
    people = ~Q(response_types=[]) | Q(grant_types__contains=[GrantType.DEVICE_CODE])
    return (Q(id_token_alg=algorithm) & people) | Q(userinfo_alg=algorithm)


def counted(realm: Realm, algorithms: Sequence[str]) -> dict[str, dict[TokenKind, int]]:
    """How many clients of a realm use each of some algorithms, by kind of token."""
    return {
        algorithm: {kind: users_of(realm, algorithm, kind).count() for kind in TokenKind} for algorithm in algorithms
    }


def algorithm_uses(realm: Realm, algorithm: str) -> Iterator[str]:
    """Why a realm still needs an algorithm, a sentence each (keys/hooks.py)."""
    if algorithm == _DEMANDED:
        yield "OpenID Connect has every provider sign ID tokens with RS256 for whoever asks (Core §15.1): it stays."
    for kind, what in ((TokenKind.ACCESS, "access tokens"), (TokenKind.ID, "ID tokens or userinfo")):
        users = users_of(realm, algorithm, kind)
        names = list(users.values_list("client_id", flat=True)[:3])
        if names:
            further = users.count() - len(names)
            more = f" and {further} more" if further > 0 else ""
            have = "has" if names[1:] == [] else "have"
            yield f"{', '.join(names)}{more} still {have} {what} signed with {algorithm}: move them first."
