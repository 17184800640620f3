"""PyJWT's PyJWKClient: a service that verifies offline, while the keys change more than once."""

from typing import Any

import jwt
import pytest
import requests

from tests.interop.provider import PROPAGATION, Provider, kid_of

pytestmark = pytest.mark.interop


def token_of(provider: Provider, client: dict[str, Any]) -> str:
    """An access token of a client for itself."""
    answer = requests.post(
        f"{provider.issuer}/token",
        data={"grant_type": "client_credentials", "scope": "notes:read"},
        auth=(client["client_id"], client["client_secret"]),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@pytest.mark.spec("keys.md, the promise: a copy of the JWKS that is N old verifies every unexpired token")
def test_a_copy_that_is_as_old_as_the_propagation_verifies_every_token(settled: Provider) -> None:
    client = settled.add_client("pyjwt", "--grant-type", "client_credentials", "--scope", "notes:read")
    keys = jwt.PyJWKClient(settled.jwks, lifespan=PROPAGATION.total_seconds(), cooldown_duration=3600)
    tokens = []
    for _ in range(3):
        tokens.append(token_of(settled, client))
        for token in tokens:
            claims = jwt.decode(
                token,
                keys.get_signing_key_from_jwt(token),
                algorithms=["ES256"],
                issuer=settled.issuer,
                audience=settled.issuer,
            )
            assert claims["client_id"] == "pyjwt"
        settled.publish_standbys()
        settled.rotate()
    assert len({kid_of(token) for token in tokens}) == len(tokens)
