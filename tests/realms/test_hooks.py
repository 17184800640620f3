"""What apps above say of a realm's lifetimes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from realms import hooks
from realms.models import Realm

HOUR = timedelta(hours=1)


def test_every_check_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(realm: Realm, access: timedelta, refresh: timedelta) -> Iterator[str]:
        if refresh > HOUR:
            yield f"{realm.slug}: {refresh} is too long."

    monkeypatch.setattr(hooks, "_checks", [])
    hooks.register_lifetime_check(too_long)
    hooks.register_lifetime_check(too_long)
    realm = Realm(slug="ours")
    assert hooks.lifetime_faults(realm, access=HOUR, refresh=2 * HOUR) == ["ours: 2:00:00 is too long."]
    assert hooks.lifetime_faults(realm, access=HOUR, refresh=HOUR) == []
