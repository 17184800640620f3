"""One change of a configuration after another, by the services that the commands and the admin use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from accounts.models import UpstreamProvider
from accounts.services.upstreams import Keep, change_provider, create_provider
from audit.services import record_realm_changed
from idp_project.configuration.difference import Change
from idp_project.configuration.document import Kind, Members, Place
from idp_project.configuration.schema import (
    CUSTODY,
    SCHEMA,
    ClientSecret,
    metadata_in,
    policy_in,
    provider_in,
    ring_named,
    terms_in,
)
from idp_project.errors import ConfigurationRefused
from idp_project.provisioning import record_realm_created
from keys.models import KeyRing
from keys.services.moving import move_ring
from keys.services.rings import add_ring, change_policy
from realms.models import Realm
from realms.services import change_realm, ensure_realm
from tokens.models import Client
from tokens.services.client_changes import change_client, switch_direct_sign_in
from tokens.services.clients import create_client


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that changes are about. Use it within one transaction.

    Attributes:
        realms, rings, clients, upstreams: those that are there, by where the document has them; new ones come to them.
        base: the site's public base address.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.
        given: new client secrets at upstream providers, by place.
        secrets: of the clients that were made, by realm and client_id.
        followers: primary keys of the rings that got another policy.
    """

    realms: dict[str, Realm]
    rings: dict[Place, KeyRing]
    clients: dict[Place, Client]
    upstreams: dict[Place, UpstreamProvider]
    base: str
    actor: str
    now: datetime
    given: Mapping[Place, str] = field(repr=False)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    followers: set[int] = field(default_factory=set)

    def apply(self, change: Change, members: Members) -> None:
        """Make one change.

        Arguments:
            change: what differs; its realm and the realm's rings have been seen to.
            members: all members of the thing, as they shall be.
        """
        match change.place.kind:
            case Kind.REALM:
                self._apply_realm(change, members)
            case Kind.RING:
                self._apply_ring(change, members)
            case Kind.CLIENT:
                self._apply_client(change, members)
            case Kind.UPSTREAM:
                self._apply_upstream(change, members)

    def _apply_realm(self, change: Change, members: Members) -> None:
        slug, terms = change.place.realm, terms_in(members)
        if change.makes:
            realm, created = ensure_realm(slug=slug, base=self.base, terms=terms, now=self.now)
            if not created:
                raise ConfigurationRefused([f"{change.place}: somebody else made it meanwhile: run it again."])
            self.realms[slug] = realm
            record_realm_created(realm, actor=self.actor, now=self.now)
        else:
            realm = change_realm(self.realms[slug], terms=terms)
            self._record_realm_changed(change, realm)
        if "direct_sign_in" in change.after:
            switch_direct_sign_in(realm, enabled=members["direct_sign_in"], actor=self.actor, now=self.now)

    def _record_realm_changed(self, change: Change, realm: Realm) -> None:
        """What differs, but for direct sign-in, which is a client with an event of its own."""
        forms = SCHEMA[Kind.REALM].members
        before = change.before or {}
        details = {
            name: f"{forms[name].write(before[name])} → {forms[name].write(value)}"
            for name, value in change.after.items()
            if name != "direct_sign_in"
        }
        if details:
            record_realm_changed(realm, details, self.actor, self.now)

    def _apply_ring(self, change: Change, members: Members) -> None:
        policy = policy_in(members)
        custodian, custody = members["custodian"], members["custody"]
        if not change.makes:
            ring = self.rings[change.place]
            if change.after.keys() & CUSTODY:
                move_ring(ring, custodian=custodian, custody=custody, actor=self.actor, now=self.now)
            if change.after.keys() - CUSTODY:
                change_policy(ring, policy=policy, actor=self.actor, now=self.now)
                self.followers.add(ring.pk)
            return
        name = ring_named(change.place.name)
        add_ring(
            realm=self.realms[change.place.realm],
            algorithm=name.algorithm,
            purpose=name.purpose,
            bits=name.bits,
            policy=policy,
            custodian=custodian,
            custody=custody,
            actor=self.actor,
            now=self.now,
        )

    def _apply_client(self, change: Change, members: Members) -> None:
        realm, name, enabled = self.realms[change.place.realm], members["client_name"], members["enabled"]
        metadata = metadata_in(members)
        client = self.clients.get(change.place)
        if client is None:
            client, secret = create_client(
                realm=realm,
                client_id=change.place.name,
                name=name,
                metadata=metadata,
                actor=self.actor,
                now=self.now,
            )
            if secret is not None:
                self.secrets.setdefault(realm.slug, {})[client.client_id] = secret
            if enabled:
                return
        change_client(client, name=name, enabled=enabled, metadata=metadata, actor=self.actor, now=self.now)

    def _apply_upstream(self, change: Change, members: Members) -> None:
        place, terms = change.place, provider_in(members)
        given = self.given.get(place)
        if change.makes:
            create_provider(
                realm=self.realms[place.realm],
                slug=place.name,
                terms=terms,
                secret=given,
                actor=self.actor,
                now=self.now,
            )
            return
        forgets = change.after.get("client_secret") == ClientSecret.NONE
        secret = given if given is not None or forgets else Keep.SECRET
        change_provider(self.upstreams[place], terms=terms, secret=secret, actor=self.actor, now=self.now)


def rows_of(changes: Iterable[Change], *, base: str, given: Mapping[Place, str], actor: str, now: datetime) -> Rows:
    """The rows that some changes are about, in four queries.

    Arguments:
        base, given, actor, now: as in `Rows`.
    """
    places = {change.place for change in changes}
    slugs = {place.realm for place in places}
    names = {place.name for place in places if place.kind is Kind.CLIENT}
    rings = KeyRing.objects.filter(realm__slug__in=slugs).select_related("realm")
    clients = Client.objects.filter(realm__slug__in=slugs, client_id__in=names).select_related("realm")
    upstreams = UpstreamProvider.objects.filter(realm__slug__in=slugs).select_related("realm")
    return Rows(
        {realm.slug: realm for realm in Realm.objects.filter(slug__in=slugs)},
        {Place(ring.realm.slug, Kind.RING, str(ring)): ring for ring in rings},
        {Place(client.realm.slug, Kind.CLIENT, client.client_id): client for client in clients},
        {Place(one.realm.slug, Kind.UPSTREAM, one.slug): one for one in upstreams},
        base,
        actor,
        now,
        given,
    )
