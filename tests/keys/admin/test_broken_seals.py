"""The admin over keys that no longer open: pages show them, and an action says why it can't be done."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from keys.models import KeyPair, KeyRing
from tests.keys.admin.pages import of_ring, words
from tests.keys.test_hostile_sealed_values import ALTERATIONS, alter_all_keys
from tests.provider import Browser


@pytest.mark.spec("issue 5: a broken sealed value is a sentence in the admin, never a traceback")
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_rotation_says_that_a_key_does_not_open(
    alteration: Callable[[bytes], bytes], operator: Browser, ring: KeyRing, standby: KeyPair
) -> None:
    alter_all_keys(alteration)
    KeyRing.objects.filter(pk=ring.pk).update(rotation_period=timedelta(days=30))
    other = KeyRing.objects.create(
        **{**KeyRing.objects.values().get(pk=ring.pk), "id": ring.pk + 1, "algorithm": "ES384"}
    )
    page = operator.post(of_ring(other, "rotate"), {"kind": "due"})
    assert page.status_code == 200
    assert "sealed value" in words(page) or "master secret" in words(page)
    assert not other.keys.exists()
    for shown in ("/admin/keys/keyring/", "/admin/keys/keypair/", f"/admin/keys/keypair/{standby.pk}/change/"):
        assert operator.get(shown).status_code == 200
