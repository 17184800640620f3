"""What follows from what a client is registered with."""

import pytest

from tokens.client_metadata import ClientMetadata, completed
from tokens.vocabulary import AuthMethod, ClientKind, GrantType, ResponseType, SubjectType

KEYS = {"keys": [{"kty": "EC"}]}
CODES = (GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN)


@pytest.mark.spec("RFC 6749 §2.1, RFC 6749 §10.1 no-secret-for-apps, RFC 8252 §8.4 public, RFC 8252 §8.4 kind-recorded")
def test_the_method_decides_about_kind_and_secret() -> None:
    kinds = {method: ClientMetadata(auth_method=method) for method in AuthMethod}
    assert [method for method, found in kinds.items() if found.kind is ClientKind.PUBLIC] == [AuthMethod.NONE]
    assert [method for method, found in kinds.items() if found.has_secret] == [AuthMethod.BASIC, AuthMethod.POST]
    assert "kty" not in repr(ClientMetadata(jwks=KEYS))


@pytest.mark.spec("RFC 7591 §2, jwks")
def test_keys_are_for_assertions_and_for_encryption() -> None:
    assert not ClientMetadata().uses_its_keys
    assert ClientMetadata(auth_method=AuthMethod.PRIVATE_KEY_JWT).uses_its_keys
    for name in ("id_token_encryption_alg", "userinfo_encryption_alg"):
        found = ClientMetadata(**{name: "ECDH-ES"})  # type: ignore[arg-type]
        assert found.uses_its_keys
        assert found.encryption_algs == {"ECDH-ES"}
    both = ClientMetadata(id_token_encryption_alg="ECDH-ES", userinfo_encryption_alg="RSA-OAEP-256")
    assert both.encryption_algs == {"ECDH-ES", "RSA-OAEP-256"}
    assert ClientMetadata().encryption_algs == frozenset()


@pytest.mark.spec("RFC 7591 §2, response_types")
def test_whoever_may_use_codes_may_ask_for_them() -> None:
    assert completed(ClientMetadata(grant_types=CODES)).response_types == (ResponseType.CODE,)
    hybrid = ClientMetadata(grant_types=CODES, response_types=(ResponseType.CODE_ID_TOKEN,))
    assert completed(hybrid) == hybrid
    machine = ClientMetadata(grant_types=(GrantType.CLIENT_CREDENTIALS,))
    assert completed(machine) == machine


@pytest.mark.spec("OpenID Connect Core §8.1")
@pytest.mark.parametrize(
    ("redirect_uris", "sector"),
    [
        (("https://app.example.test/cb",), "app.example.test"),
        (("https://app.example.test/cb", "https://app.example.test:8443/other"), "app.example.test"),
        (("https://App.Example.test/cb",), "app.example.test"),
        (("https://app.example.test/cb", "https://other.example.test/cb"), ""),
        (("org.example.app:/cb",), ""),
        ((), ""),
    ],
)
def test_the_sector_is_the_one_host_of_the_redirect_uris(redirect_uris: tuple[str, ...], sector: str) -> None:
    pairwise = ClientMetadata(subject_type=SubjectType.PAIRWISE, redirect_uris=redirect_uris)
    assert completed(pairwise).sector_identifier == sector
    named = ClientMetadata(
        subject_type=SubjectType.PAIRWISE, redirect_uris=redirect_uris, sector_identifier="example.test"
    )
    assert completed(named).sector_identifier == "example.test"
    assert completed(ClientMetadata(redirect_uris=redirect_uris)).sector_identifier == ""


def test_what_is_complete_stays_as_it_is() -> None:
    for metadata in (
        ClientMetadata(),
        ClientMetadata(grant_types=CODES, subject_type=SubjectType.PAIRWISE, redirect_uris=("https://a.test/",)),
    ):
        assert completed(completed(metadata)) == completed(metadata)
