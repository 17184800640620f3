"""Reading clients and grants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Min, OuterRef, Subquery

from accounts.models import Membership
from tokens.models import WAITING, Client, Consent, DeviceAuthorization, Grant, LogoutDelivery
from tokens.scopes import OFFLINE_ACCESS
from tokens.vocabulary import DeliveryState, GrantType


def client_exists(realm: str, client_id: str) -> bool:
    """Whether a realm has such a client.

    Arguments:
        realm: the realm's slug.
    """
    return Client.objects.filter(realm__slug=realm, client_id=client_id).exists()


def client_of(*, realm_id: int, client_id: str) -> Client | None:
    """The enabled client of a realm, or None."""
    return Client.objects.filter(realm_id=realm_id, client_id=client_id, enabled=True).first()


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
        """Whether client, person, membership and session still stand; the same as `live_grants` asks in SQL."""
        grant, person = self.grant, self.grant.user
        signed_out = person.signed_out_at is not None and grant.auth_time < person.signed_out_at
        ended = grant.session is not None and grant.session.ended_at is not None
        return (
            grant.client.enabled
            and person.is_active
            and self.roles is not None
            and not signed_out
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
        .select_related("client", "user", "session")
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
