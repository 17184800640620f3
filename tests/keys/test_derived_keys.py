"""keys/api.py: keys that are derived from a mac ring, and that no tag gives away."""

import base64
from datetime import timedelta
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import api
from keys.algorithms import Purpose
from keys.errors import KeysError
from keys.models import KeyPair
from keys.services.compromise import compromise
from keys.signer import RingName, signer
from realms.models import Realm
from tests.clock import FakeClock
from tests.conftest import ACTOR
from tokens.handles import Handle

LABEL = b"\0signet derived key\0"


def mac_kid(realm: Realm, clock: FakeClock) -> str:
    return api.tagging_kid(realm=realm, expires_at=clock.now + timedelta(minutes=10), at=clock.now)


@pytest.mark.spec("RFC 5869 §2.3")
def test_a_derived_key_is_hkdf_expand_of_the_rings_key(bootstrapped: Realm, clock: FakeClock) -> None:
    kid = mac_kid(bootstrapped, clock)
    private = signer.signing_key(RingName(bootstrapped.pk, Purpose.MAC, "HMAC-SHA256"), clock.now)[1]
    assert isinstance(private, bytes)
    expected = HKDFExpand(hashes.SHA256(), 32, LABEL + b"one").derive(private)
    assert api.derived_key(b"one", realm=bootstrapped, kid=kid, now=clock.now) == expected
    assert api.derived_key(b"other", realm=bootstrapped, kid=kid, now=clock.now) != expected


@pytest.mark.spec("RFC 5869 §3.2, design: a tag is never a key")
def test_no_tag_is_made_or_checked_over_what_keys_are_derived_from(bootstrapped: Realm, clock: FakeClock) -> None:
    kid = mac_kid(bootstrapped, clock)
    key = api.derived_key(b"one", realm=bootstrapped, kid=kid, now=clock.now)
    assert key is not None
    with pytest.raises(KeysError, match="derived key"):
        api.mac(LABEL + b"one\x01", realm=bootstrapped, kid=kid, now=clock.now)
    assert not api.check_mac(LABEL + b"one\x01", key, realm=bootstrapped, kid=kid, now=clock.now)
    assert api.mac(b"one", realm=bootstrapped, kid=kid, now=clock.now) != key


@pytest.mark.spec("design: tokens.md, the handle; its first byte is its version")
@settings(deadline=None)
@given(
    st.integers(0, 255), st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1), st.uuids(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_no_handle_is_a_message_that_keys_are_derived_from(
    purpose: int, kid: bytes, epoch: int, grant_id: UUID, generation: int
) -> None:
    mac_kid = base64.urlsafe_b64encode(kid).rstrip(b"=").decode()
    message = Handle(purpose, mac_kid, epoch, grant_id, generation).message()
    assert message[:1] != LABEL[:1]


@pytest.mark.spec("keys.md: declared compromised, never trusted again")
def test_a_key_that_is_not_trusted_derives_nothing(bootstrapped: Realm, clock: FakeClock) -> None:
    kid = mac_kid(bootstrapped, clock)
    signing_kid = KeyPair.objects.filter(ring__purpose="sign").earliest("activates_at").kid
    for other in ("AAAAAAAAAAA", "", signing_kid):
        assert api.derived_key(b"one", realm=bootstrapped, kid=other, now=clock.now) is None
    compromise(KeyPair.objects.select_related("ring").get(kid=kid), actor=ACTOR, clock=clock)
    signer.forget()
    assert api.derived_key(b"one", realm=bootstrapped, kid=kid, now=clock.now) is None
