"""Sessions that clients know, and their end, without going through the flows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.models import Session, User
from accounts.services.sessions import begin_session, end_session
from accounts.services.sign_in import SignedIn
from accounts.vocabulary import SessionEnd
from realms.models import Realm
from tokens.client_metadata import ClientMetadata
from tokens.models import Client, Grant, LogoutDelivery
from tokens.services.clients import create_client
from tokens.vocabulary import AuthMethod, GrantType

URI = "https://app.example.org/backchannel"


def told_client(realm: Realm, now: datetime, client_id: str = "app", uri: str = URI, **changes: object) -> Client:
    """A client that wants to be told of logouts."""
    values: dict[str, object] = {
        "auth_method": AuthMethod.BASIC,
        "grant_types": (GrantType.AUTHORIZATION_CODE,),
        "redirect_uris": ("https://app.example.org/cb",),
        "scopes": ("openid",),
        "id_token_alg": "ES256",
        "backchannel_logout_uri": uri,
        **changes,
    }
    metadata = ClientMetadata(**values)  # type: ignore[arg-type]
    return create_client(realm=realm, client_id=client_id, name=client_id, metadata=metadata, actor="test", now=now)[0]


def session_of(person: User, realm: Realm, now: datetime, *clients: Client) -> Session:
    """A session in which these clients have a grant."""
    proof = SignedIn(person, (), now, ("pwd",))
    session = begin_session(realm=realm, signed_in=proof, now=now)
    for client in clients:
        Grant.objects.create(
            realm=realm, client=client, user=person, session=session, scopes=["openid"], auth_time=now,
            methods=["pwd"], created_at=now, rotated_at=now, idle_expires_at=now + timedelta(hours=1),
            absolute_expires_at=now + timedelta(hours=1),
        )  # fmt: skip
    return session


def end(session: Session, now: datetime) -> None:
    """The person signs out."""
    assert end_session(session, reason=SessionEnd.SIGNED_OUT, actor="test", now=now)


def one_logout(person: User, realm: Realm, now: datetime, **changes: object) -> LogoutDelivery:
    """A logout that one client has to be told of."""
    client = told_client(realm, now, **changes)  # type: ignore[arg-type]
    end(session_of(person, realm, now, client), now)
    return LogoutDelivery.objects.get()


@dataclass
class Postbox:
    """Stands in for the network: keeps what was posted, and answers as a test says."""

    outcomes: list[str] = field(default_factory=lambda: ["200"])
    posted: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def __call__(self, uri: str, token: str) -> str:
        self.posted.append((uri, token))
        self.meanwhile()
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
