"""Reading clients and grants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery

from accounts.models import Membership, User
from realms.models import Realm
from tokens.models import WAITING, Client, Consent, DeviceAuthorization, Grant, LogoutDelivery
from tokens.scopes import OFFLINE_ACCESS, STANDARD_SCOPES
from tokens.vocabulary import DeliveryState, GrantType

_PLACES = {scope: place for place, scope in enumerate(STANDARD_SCOPES)}


def client_exists(realm: str, client_id: str) -> bool:
    """Whether a realm has such a client.

    Arguments:
        realm: the realm's slug.
    """
    return Client.objects.filter(realm__slug=realm, client_id=client_id).exists()


def client_of(*, realm_id: int, client_id: str) -> Client | None:
    """The enabled client of a realm, or None."""
    return Client.objects.filter(realm_id=realm_id, client_id=client_id, enabled=True).first()


def client_by_id(client_id: str, *, realm: Realm) -> Client | None:
    """The client of a realm, enabled or not; or None.

    Arguments:
        client_id: of the form that client_ids have, so that the database can't stumble over it.
    """
    return Client.objects.filter(realm=realm, client_id=client_id).first()


def origin_is_registered(*, realm: str, origin: str) -> bool:
    """Whether an enabled client of an enabled realm registered an origin; compared letter by letter.

    Arguments:
        realm: the realm's slug.
        origin: one that could be registered, so that the database can't stumble over it.
    """
    clients = Client.objects.filter(realm__slug=realm, realm__enabled=True, enabled=True)
    return clients.filter(cors_origins__contains=[origin]).exists()


@dataclass(frozen=True, slots=True)
class StandingGrant:
    """A grant with its client and person, and the person's roles in the realm: None where they are no member."""

    grant: Grant
    roles: tuple[str, ...] | None

    @property
    def is_usable(self) -> bool:
        """Whether client, person, membership, device and session still stand; the same as `live_grants` asks in SQL."""
        grant, person = self.grant, self.grant.user
        signed_out = person.signed_out_at is not None and grant.auth_time < person.signed_out_at
        removed = grant.device is not None and grant.device.removed_at is not None
        ended = grant.session is not None and grant.session.ended_at is not None
        return (
            grant.client.enabled
            and person.is_active
            and self.roles is not None
            and not signed_out
            and not removed
            and (not ended or OFFLINE_ACCESS in grant.scopes)
        )

    def is_live(self, now: datetime) -> bool:
        """Whether tokens of this grant are good at a moment: neither it nor what it rests on has ended."""
        return self.grant.revoked_at is None and now < self.grant.absolute_expires_at and self.is_usable


def grant_of(grant_id: UUID, *, realm_id: int, client_id: str) -> StandingGrant | None:
    """The grant of a realm and client as it stands at this moment, or None."""
    roles = Membership.objects.filter(user=OuterRef("user"), realm=realm_id).values("roles")[:1]
    grant = (
        Grant.objects.filter(pk=grant_id, realm_id=realm_id, client__client_id=client_id)
        .select_related("client", "user", "session", "device")
        .annotate(roles=Subquery(roles))
        .first()
    )
    if grant is None:
        return None
    return StandingGrant(grant, None if grant.roles is None else tuple(grant.roles))


def is_grant_of_another(grant_id: UUID, *, realm_id: int, client_id: str, now: datetime) -> bool:
    """Whether a grant of a realm is another client's, and its refresh tokens are not over.

    Arguments:
        now: aware.
    """
    others = Grant.objects.filter(pk=grant_id, realm_id=realm_id).exclude(client__client_id=client_id)
    return others.filter(idle_expires_at__gt=now).exists()


def device_authorization_of(key: UUID, *, realm_id: int, client_id: int) -> DeviceAuthorization | None:
    """What a device of a client asked for, however it ended; or None.

    Arguments:
        realm_id, client_id: primary keys.
    """
    return DeviceAuthorization.objects.filter(pk=key, realm_id=realm_id, client_id=client_id).first()


def undecided_device(digest: bytes, *, realm_id: int, now: datetime) -> DeviceAuthorization | None:
    """What waits for a person under a user code, with its client; or None where nothing does.

    Arguments:
        digest: of the user code.
        realm_id: primary key.
        now: aware; what expired before it waits for nobody.
    """
    return (
        DeviceAuthorization.objects.filter(user_code_digest=digest, realm_id=realm_id)
        .filter(decided_at=None, expires_at__gt=now)
        .filter(client__enabled=True, client__grant_types__contains=[GrantType.DEVICE_CODE])
        .select_related("client")
        .first()
    )


def impact(realm_id: int, now: datetime) -> Mapping[str, int]:
    """What a compromise of a realm's key hits at most.

    Arguments:
        now: aware; grants that ended before it are not hit.
    """
    grants = Grant.objects.filter(realm_id=realm_id, revoked_at=None)
    return {
        "live grants": grants.filter(absolute_expires_at__gt=now, idle_expires_at__gt=now).count(),
        "clients": Client.objects.filter(realm_id=realm_id, enabled=True).count(),
    }


def consented_scopes(*, user_id: int, client_id: int) -> frozenset[str] | None:
    """What a person has allowed a client before; None where they were never asked.

    Arguments:
        user_id, client_id: primary keys.
    """
    found = Consent.objects.filter(user_id=user_id, client_id=client_id).values_list("scopes", flat=True).first()
    return None if found is None else frozenset(found)


def next_logout_attempt() -> datetime | None:
    """When the next client has to be told of a logout, also where that is long past; None where none waits."""
    found: datetime | None = LogoutDelivery.objects.filter(WAITING).aggregate(at=Min("next_attempt_at"))["at"]
    return found


def delivery_state(delivery: LogoutDelivery) -> DeliveryState:
    """How far it is with telling a client."""
    if delivery.delivered_at is not None:
        return DeliveryState.DELIVERED
    return DeliveryState.WAITING if delivery.given_up_at is None else DeliveryState.GIVEN_UP


def unended(grants: QuerySet[Grant], now: datetime) -> QuerySet[Grant]:
    """Those of several grants that nobody has ended and that are not over by their age.

    Arguments:
        now: aware.
    """
    return grants.filter(revoked_at=None, absolute_expires_at__gt=now)


def resting_on(consents: QuerySet[Consent]) -> QuerySet[Grant]:
    """The grants of the same people and clients as some consents, ended or not."""
    return Grant.objects.filter(Exists(consents.filter(user=OuterRef("user"), client=OuterRef("client"))))


@dataclass(frozen=True, slots=True)
class Application:
    """A client that a person allowed something, or that has something of theirs now.

    Attributes:
        client: its row.
        scopes: what was allowed, those of the standard first.
        since: aware; the earliest decision or grant that is still known.
        last_used: aware; when it last got tokens; None where it has no grant now.
    """

    client: Client
    scopes: tuple[str, ...]
    since: datetime
    last_used: datetime | None


def applications_of(person: User, *, realm: Realm, now: datetime) -> list[Application]:
    """The clients of a realm with a consent or a grant of a person, by name. Three queries, however many there are.

    Arguments:
        now: aware; grants that have ended, or rest on a session or a password that has, are passed over.
    """
    consents = {row.client_id: row for row in Consent.objects.filter(user=person, client__realm=realm)}
    groups: dict[int, list[tuple[list[str], datetime, datetime]]] = {}
    standing = (
        unended(Grant.objects.filter(user=person, realm=realm), now)
        .filter(Q(session__ended_at=None) | Q(scopes__contains=[OFFLINE_ACCESS]))
        .filter(Q(user__signed_out_at=None) | Q(auth_time__gte=F("user__signed_out_at")))
        .values_list("client_id", "scopes")
        .annotate(since=Min("created_at"), used=Max("rotated_at"))
    )
    for client_id, scopes, since, used in standing:
        groups.setdefault(client_id, []).append((scopes, since, used))
    clients = Client.objects.filter(pk__in={*consents, *groups}).order_by("name", "client_id")
    return [_application(client, consents.get(client.pk), groups.get(client.pk, [])) for client in clients]


def _application(
    client: Client, consent: Consent | None, grants: list[tuple[list[str], datetime, datetime]]
) -> Application:
    """What is told of a client.

    Arguments:
        grants: of each set of scopes the first beginning and the last use.
    """
    allowed = {*(consent.scopes if consent else ()), *(scope for scopes, _since, _used in grants for scope in scopes)}
    moments = [since for _scopes, since, _used in grants] + ([consent.granted_at] if consent else [])
    return Application(
        client,
        tuple(sorted(allowed, key=lambda scope: (_PLACES.get(scope, len(_PLACES)), scope))),
        min(moments),
        max((used for _scopes, _since, used in grants), default=None),
    )
