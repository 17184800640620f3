"""Forms of rings and keys. They check what was typed; services do what is asked."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django import forms
from django.http import QueryDict

from keys.algorithms import ALGORITHMS, RSA_BITS, Custody, Purpose
from keys.conf import periods
from keys.custodians import CUSTODIANS
from keys.models import KeyRing
from keys.policy import KeyPolicy, faults
from keys.selectors import policy_of, rings
from keys.services.moving import custody_fault
from realms.forms import SpanField
from realms.models import Realm
from realms.spans import in_words

_REASON_LENGTH = 500  # of the column in the audit


class PolicyForm(forms.Form):
    """How the keys of a ring come and go."""

    rotation_period = SpanField(help_text="How long a key signs.")
    propagation = SpanField(
        help_text="How long a key is published before it signs: every verifier has to have fetched it by then."
    )
    max_token_lifetime = SpanField(
        label="Longest token lifetime",
        help_text="The longest life of what its keys sign. A key stays published for this long after its last token.",
    )
    clock_skew = SpanField(help_text="By how much two clocks may differ.")
    verifier_leeway = SpanField(help_text="For how long past its expiry verifiers may still accept a token.")
    patience = SpanField(
        help_text="For how long a takeover waits at most until all known fetchers hold the next key; nought: never."
    )

    def __init__(self, sent: QueryDict | None, *, ring: KeyRing) -> None:
        """Start from the ring's present policy."""
        policy = policy_of(ring)
        super().__init__(sent, initial={name: getattr(policy, name) for name in self.base_fields})
        self.ring = ring

    def clean(self) -> dict[str, Any]:
        """Refuse a policy that would break the invariant, or what the realm promises already."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        for fault in faults(self.policy(), periods()):
            self.add_error(None, fault)
        realm = self.ring.realm
        unserved = unserved_lifetime(
            Purpose(self.ring.purpose),
            cleaned["max_token_lifetime"],
            access=realm.access_token_lifetime,
            refresh=realm.refresh_absolute_lifetime,
        )
        if unserved:
            self.add_error("max_token_lifetime", f"The {unserved}: shorten that in the realm first.")
        return cleaned

    def policy(self) -> KeyPolicy:
        """What was typed, as a policy; of a form without errors."""
        return KeyPolicy(**{name: self.cleaned_data[name] for name in self.base_fields})


def unserved_lifetime(purpose: Purpose, longest: timedelta, *, access: timedelta, refresh: timedelta) -> str | None:
    """What a realm promises and a ring's keys may not vouch for, or None where they may.

    Arguments:
        purpose: what the ring is for.
        longest: the ring's longest token lifetime.
        access: how long the realm's access tokens live.
        refresh: the longest life of a grant.
    """
    if purpose is Purpose.SIGN and access > longest:
        return f"realm's access tokens live for {in_words(access)}"
    if purpose is Purpose.MAC and refresh > longest:
        return f"realm's refresh tokens live for {in_words(refresh)}"
    return None


def unserved_by_rings(realm: Realm, access: timedelta, refresh: timedelta) -> Iterator[str]:
    """Which rings of a realm can't serve such lifetimes, one sentence each (realms/hooks.py)."""
    for ring in rings(realm=realm.slug).filter(retired_at=None):
        if unserved_lifetime(Purpose(ring.purpose), ring.max_token_lifetime, access=access, refresh=refresh):
            yield (
                f"The ring {ring} vouches for {in_words(ring.max_token_lifetime)} at most: raise its longest "
                f"token lifetime first."
            )


class CustodyForm(forms.Form):
    """Who looks after the keys that a ring gets from now on."""

    custodian = forms.ChoiceField(choices=[(one.name, one.name) for one in CUSTODIANS])
    custody = forms.ChoiceField(
        choices=[(one.value, one.value) for one in Custody],
        help_text="Envelope: sealed in the database, under a key of the custodian. "
        "Remote: they never leave the custodian, which signs.",
    )
    reason = forms.CharField(
        max_length=_REASON_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Stands in the audit.",
    )

    def __init__(self, sent: QueryDict | None, *, ring: KeyRing) -> None:
        """Start from where the ring is."""
        super().__init__(sent, initial={"custodian": ring.custodian, "custody": ring.custody})
        self.ring = ring

    def clean(self) -> dict[str, Any]:
        """Refuse what the custodian can't do."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            cleaned["custody"] = Custody(cleaned["custody"])
            fault = custody_fault(
                custodian=cleaned["custodian"],
                custody=cleaned["custody"],
                purpose=Purpose(self.ring.purpose),
                algorithm=self.ring.algorithm,
            )
            if fault:
                self.add_error(None, fault)
        return cleaned


class NewRingForm(forms.Form):
    """A further ring that signs tokens; its policy is that of the settings until it is changed."""

    realm = forms.ModelChoiceField(queryset=Realm.objects.all(), empty_label=None)
    algorithm = forms.ChoiceField(
        choices=[(row.name, row.name) for row in ALGORITHMS if Purpose.SIGN in row.purposes],
        help_text="ES256 is quick and small; RS256 is what every verifier knows.",
    )
    bits = forms.TypedChoiceField(
        choices=[("", "the default"), *((bits, f"{bits}") for bits in RSA_BITS)],
        coerce=int,
        empty_value=None,
        required=False,
        help_text="Length of an RSA modulus, for RS256 and PS256 alone; 4096 if left out.",
    )


class RotationForm(forms.Form):
    """Whether to do what is due, or to bring the takeover as near as is safe."""

    DUE, FORCED = "due", "forced"

    kind = forms.ChoiceField(choices=[(DUE, "What is due"), (FORCED, "Bring the takeover near")], initial=DUE)
    reason = forms.CharField(
        max_length=_REASON_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="Stands in the audit beside each step. Needed where the takeover is brought near.",
    )

    def clean(self) -> dict[str, Any]:
        """A forced rotation leaves the timetable, and says why."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("kind") == self.FORCED and not cleaned.get("reason") and "reason" not in self.errors:
            self.add_error("reason", "Say why the takeover is brought near.")
        return cleaned

    @property
    def forced(self) -> bool:
        """Whether the takeover is to be brought near; of a form without errors."""
        return bool(self.cleaned_data["kind"] == self.FORCED)


class CompromiseForm(forms.Form):
    """Why a key is distrusted, and whether the whole ring is."""

    reason = forms.CharField(
        max_length=_REASON_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off"}),
        help_text="What happened, in your words. It stands in the audit for ever: no names of people.",
    )
    whole_ring = forms.BooleanField(
        required=False,
        label="The whole ring",
        help_text="A host was lost: distrust every key of the ring whose private half exists, the standby too.",
    )
