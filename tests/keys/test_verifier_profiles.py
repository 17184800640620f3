"""The profiles of verifiers: complete, with sources, and sound."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from keys.verifier_profiles import VerifierProfile, verifier_profiles

EXPECTED = {
    "jose": (600, True),
    "pyjwt": (300, True),
    "jwks-rsa": (600, True),
    "nimbus": (300, True),
    "go-oidc": (None, True),
    "dotnet": (43_200, True),
    "envoy": (600, False),
    "istio": (1_200, False),
    "aws-api-gateway": (3_600, True),
    "ktor": (36_000, True),
    "load-once": (None, False),
}


@pytest.mark.spec("design: simulator")
def test_every_verifier_that_the_design_names_has_a_profile_with_its_figures() -> None:
    found = {row.name: (row.keeps and int(row.keeps.total_seconds()), row.refetches) for row in verifier_profiles()}
    assert found == EXPECTED


def test_no_two_profiles_have_one_name_or_title() -> None:
    rows = verifier_profiles()
    assert len({row.name for row in rows}) == len({row.title for row in rows}) == len(rows)


@pytest.mark.parametrize("row", verifier_profiles(), ids=lambda row: row.name)
def test_every_profile_has_a_source_and_lengths_that_can_be(row: VerifierProfile) -> None:
    source = urlsplit(row.source)
    assert source.scheme == "https"
    assert source.hostname
    assert source.path.strip("/")
    assert row.title
    assert row.keeps is None or row.keeps > timedelta(0)
    assert row.cooldown >= timedelta(0)
    assert row.refetches or not row.cooldown, "a cooldown says something of a refetch alone"


def test_jose_and_dotnet_wait_after_a_fetch_before_an_unknown_kid_makes_them_fetch_again() -> None:
    waits = {row.name: row.cooldown.total_seconds() for row in verifier_profiles() if row.cooldown}
    assert waits == {"jose": 30, "dotnet": 300}
