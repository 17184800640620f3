"""What a sign-in lacks for a client, and how a person gets there (RFC 9470 §5, OpenID Connect Core §5.5.1.1)."""

from collections.abc import Sequence

from accounts.models import User
from accounts.selectors import LiveSession
from accounts.selectors.factors import factors_of
from realms.models import Realm
from tokens.authorization_request import AuthorizationRequest
from tokens.demands import Demand, Way, registered, requested, unmet, way_to
from tokens.errors import AuthorizationRefused
from tokens.models import Client


def lacking_of(
    live: LiveSession, *, client: Client, realm: Realm, wanted: AuthorizationRequest | None = None
) -> tuple[Demand, ...]:
    """What is demanded and a session is less than; also where the demand is younger than the session.

    Arguments:
        live: the session.
        client, realm: which may be registered to demand a second factor of everybody.
        wanted: a request that may ask for classes; None where there is none that could.
    """
    demands = registered(realm=realm.require_second_factor, client=client.require_second_factor)
    if wanted is not None:
        demands += requested(essential=wanted.claims.acr_values, wished=wanted.acr_values)
    return unmet(tuple(live.session.methods), demands)


def way_of(person: User, *, to: Sequence[Demand]) -> Way:
    """How a person gets to what their sign-in lacks."""
    found = factors_of(person)
    return way_to(to, has_factor=found.any, has_passkey=found.passkeys > 0)


def way_or_refusal(person: User, *, to: Sequence[Demand], silent: bool, again: bool) -> Way:
    """How a person gets to what their sign-in lacks for an authorization request.

    Arguments:
        silent: nobody may be shown a page.
        again: they were asked already, and came back with as little.

    Raises:
        AuthorizationRefused: there is no way. That is a failed sign-in, so the client learns what it asked for in
            vain (RFC 9470 §5); of what is registered it knows nothing, and in silence it learns that its person has
            to act (OpenID Connect Core §3.1.2.6).
    """
    if silent and not any(demand.by_request for demand in to):
        raise AuthorizationRefused("login_required", "The person has to prove a second factor.")
    way = Way.NONE if silent or again else way_of(person, to=to)
    if way is Way.NONE:
        raise AuthorizationRefused("unmet_authentication_requirements", "The sign-in is less than what is demanded.")
    return way
