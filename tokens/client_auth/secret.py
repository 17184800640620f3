"""client_secret_basic and client_secret_post: a secret that this provider made (RFC 6749 §2.3.1)."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from realms.models import Realm
from tokens.models import MAX_SECRETS, Client
from tokens.parameters import PresentedClient
from tokens.vocabulary import AuthMethod

_NOBODYS = "0" * 64  # no secret has this digest


def digest_of(secret: str) -> str:
    """What is stored of a client's secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8")).hexdigest()


@dataclass(frozen=True, slots=True)
class Secret:
    """One of the two places in which a secret may come."""

    name: AuthMethod

    def claimed_id(self, presented: PresentedClient) -> str:
        """The client_id beside the secret."""
        return presented.client_id

    def proves(self, client: Client | None, presented: PresentedClient, *, realm: Realm, now: datetime) -> bool:  # noqa: ARG002
        """Whether the secret is one of the client's; always as many compares, each in constant time."""
        stored = list(client.secret_digests) if client else []
        stored += [_NOBODYS] * (MAX_SECRETS - len(stored))
        shown = digest_of(presented.proof)
        return any([hmac.compare_digest(shown, digest) for digest in stored])  # noqa: C419  (all of them)
