"""Which client it is: the one place where every endpoint of clients learns it (RFC 6749 §2.3, §3.2.1)."""

import re
from datetime import datetime

from realms.models import Realm
from tokens.client_auth import BY_NAME
from tokens.errors import InvalidClient
from tokens.models import CLIENT_ID_PATTERN, Client
from tokens.parameters import PresentedClient
from tokens.selectors import client_of
from tokens.vocabulary import ClientKind


def authenticate(presented: PresentedClient, *, realm: Realm, now: datetime) -> Client:
    """The client that proved who it is, by the one method that it is registered with.

    Arguments:
        presented: what it said and showed.
        realm: whose client it has to be.
        now: aware.

    Raises:
        InvalidClient: unknown, disabled, built in, another method, or no proof; which is for the log alone.
    """
    method = BY_NAME[presented.method]
    claimed = method.claimed_id(presented)
    # An assertion may claim anything; what no client can be called is not worth asking the database, which
    # would stumble over a NUL or a lone surrogate.
    client = client_of(realm_id=realm.pk, client_id=claimed) if re.fullmatch(CLIENT_ID_PATTERN, claimed) else None
    if client is not None and (client.kind == ClientKind.BUILT_IN or client.auth_method != method.name):
        client = None
    if not method.proves(client, presented, realm=realm, now=now) or client is None:
        raise InvalidClient(detail="unknown" if client is None else "no_proof")
    return client
