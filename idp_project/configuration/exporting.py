"""What there is, as a configuration says it: no secret, no digest, no salt, and no keys but clients' public ones."""

from collections.abc import Collection
from dataclasses import asdict, fields

from accounts.models import UpstreamProvider
from accounts.selectors.upstreams import terms_of_provider
from idp_project.configuration.document import Kind, Members, Place, Things
from idp_project.configuration.schema import ClientSecret, registered_members
from keys.algorithms import Custody
from keys.models import KeyRing
from keys.selectors import policy_of
from realms.models import Realm
from realms.selectors import terms_of
from realms.terms import Terms
from tokens.models import Client
from tokens.registration import metadata_of
from tokens.vocabulary import ClientKind


def present_things(slugs: Collection[str] | None = None) -> Things:
    """The realms of a database with their rings, clients and upstream providers, each with all its members.

    Arguments:
        slugs: of these realms alone, as far as they are there; None for all.
    """
    realms = Realm.objects.all() if slugs is None else Realm.objects.filter(slug__in=slugs)
    # A retired ring is history of this place: imported elsewhere it would come to life.
    rings = KeyRing.objects.filter(realm__in=realms, retired_at=None).select_related("realm")
    clients = Client.objects.filter(realm__in=realms).select_related("realm").defer("secret_digests")
    upstreams = UpstreamProvider.objects.filter(realm__in=realms).select_related("realm")
    own = {client.realm.slug: client.enabled for client in clients if client.kind == ClientKind.BUILT_IN}
    return {
        **{Place(realm.slug): _realm(realm, direct_sign_in=own.get(realm.slug, False)) for realm in realms},
        **{Place(ring.realm.slug, Kind.RING, str(ring)): _ring(ring) for ring in rings},
        **{
            Place(client.realm.slug, Kind.CLIENT, client.client_id): _client(client)
            for client in clients
            if client.kind != ClientKind.BUILT_IN
        },
        **{Place(one.realm.slug, Kind.UPSTREAM, one.slug): _upstream(one) for one in upstreams},
    }


def _realm(realm: Realm, *, direct_sign_in: bool) -> Members:
    terms = terms_of(realm)
    decided = {field.name: getattr(terms, field.name) for field in fields(Terms)}
    return {"issuer": realm.issuer, **decided, "direct_sign_in": direct_sign_in}


def _ring(ring: KeyRing) -> Members:
    return {**asdict(policy_of(ring)), "custodian": ring.custodian, "custody": Custody(ring.custody)}


def _client(client: Client) -> Members:
    return {"client_name": client.name, "enabled": client.enabled, **registered_members(metadata_of(client))}


def _upstream(provider: UpstreamProvider) -> Members:
    """Of the client secret that there is one, and no more."""
    terms = terms_of_provider(provider)
    decided = {field.name: getattr(terms, field.name) for field in fields(terms)}
    secret = ClientSecret.NONE if provider.client_secret is None else ClientSecret.STORED
    return {**decided, "client_secret": secret}
