"""KeyRing and KeyPair: columns and constraints, no behaviour. Triggers stand in migrations 0002 and 0005."""

import uuid
from datetime import timedelta

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value

from keys.algorithms import ALGORITHMS, RSA_BITS, Custody, Purpose
from keys.fetchers import LONGEST_ADDRESS, LONGEST_USER_AGENT, MOST_FETCHERS
from keys.timetable import BY_THE_CLOCK, KeyState
from realms.models import Realm

_RSA_ALGORITHMS = [row.name for row in ALGORITHMS if row.bits]


class KeyRing(models.Model):
    """The keys of one realm, purpose, algorithm and length, and the policy by which they rotate.

    A rotation locks this row: it exists before any key does, so two rotations can't both mint.
    """

    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="key_rings")
    purpose = models.CharField(max_length=16, choices=[(item.value, item.value) for item in Purpose])
    algorithm = models.CharField(max_length=16, choices=[(row.name, row.name) for row in ALGORITHMS])
    bits = models.PositiveIntegerField(
        null=True, blank=True, help_text="Length of an RSA modulus; empty where the algorithm fixes the key."
    )
    custodian = models.CharField(max_length=32, default="local", help_text="Who looks after the keys to come.")
    custody = models.CharField(
        max_length=16,
        choices=[(item.value, item.value) for item in Custody],
        default=Custody.ENVELOPE,
        help_text="Whether the private halves to come are sealed in their rows, or never leave the custodian.",
    )
    rotation_period = models.DurationField(help_text="How long a key signs.")
    propagation = models.DurationField(help_text="How long a key is published before it signs.")
    max_token_lifetime = models.DurationField(help_text="The longest life of a token that its keys sign.")
    clock_skew = models.DurationField(help_text="By how much two clocks may differ.")
    verifier_leeway = models.DurationField(help_text="For how long past its expiry a token may be accepted.")
    patience = models.DurationField(
        default=timedelta(0),
        help_text="For how long a takeover waits at most until all known fetchers hold the next key; "
        "nought doesn't wait.",
    )
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when nothing is made for it; its keys verify what they signed."
    )
    looked_after_at = models.DateTimeField(
        null=True, blank=True, help_text="When a rotation of it last ended well, whether anything was due or not."
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["realm_id", "purpose", "algorithm", "bits"]
        permissions = [("rotate_keyring", "Can rotate the keys of a ring")]
        constraints = [
            models.UniqueConstraint(
                name="ring_one_per_kind",
                fields=["realm", "purpose", "algorithm", "bits"],
                nulls_distinct=False,
            ),
            models.UniqueConstraint(name="ring_and_realm", fields=["id", "realm"]),
            models.CheckConstraint(
                name="ring_bits_for_rsa_alone",
                # SQL: without "not null" a missing length would be unknown, and what is unknown passes a check.
                condition=Q(algorithm__in=_RSA_ALGORITHMS, bits__isnull=False, bits__in=RSA_BITS)
                | (~Q(algorithm__in=_RSA_ALGORITHMS) & Q(bits__isnull=True)),
            ),
            models.CheckConstraint(
                name="ring_mac_algorithm",
                condition=Q(purpose=Purpose.MAC, algorithm="HMAC-SHA256")
                | (~Q(purpose=Purpose.MAC) & ~Q(algorithm="HMAC-SHA256")),
            ),
            models.CheckConstraint(
                # Codes and refresh tokens hang on the others, and tests of verifiers.
                name="ring_retires_only_where_it_signs",
                condition=Q(retired_at__isnull=True) | Q(purpose=Purpose.SIGN),
            ),
            models.CheckConstraint(
                name="ring_tags_are_made_here", condition=~Q(purpose=Purpose.MAC, custody=Custody.REMOTE)
            ),
            models.CheckConstraint(
                name="ring_policy_holds_together",
                condition=Q(
                    propagation__gt=timedelta(0),
                    rotation_period__gt=F("propagation"),
                    max_token_lifetime__gt=timedelta(0),
                    clock_skew__gt=timedelta(0),
                    verifier_leeway__gte=timedelta(0),
                    patience__gte=timedelta(0),
                ),
            ),
        ]

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.purpose, self.algorithm, self.bits) if part)


class _RowRange(Func):
    """A range of one number, since gist compares numbers only with an extension."""

    function = "int8range"
    output_field = DateTimeRangeField()


class KeyPair(models.Model):
    """One key: its public half, its sealed private half, and its timetable."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    realm = models.ForeignKey(Realm, on_delete=models.PROTECT, related_name="+")
    ring = models.ForeignKey(KeyRing, on_delete=models.PROTECT, related_name="keys")
    kid = models.CharField(max_length=255)
    public_jwk = models.JSONField(null=True, blank=True)
    custodian = models.CharField(max_length=32)
    custodian_reference = models.CharField(max_length=500, blank=True)
    sealed_private = models.BinaryField(null=True)
    max_lifetime = models.DurationField()
    published_at = models.DateTimeField()
    activates_at = models.DateTimeField()
    deactivates_at = models.DateTimeField(null=True)
    unpublishes_at = models.DateTimeField(null=True)
    compromised_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="Its ring was retired while it waited: it never signs.")
    ends_ring = models.BooleanField(
        default=False, db_default=False, help_text="Its ring was retired with it: nobody relieves it."
    )
    noted_state = models.CharField(
        max_length=16,
        choices=[(state.value, state.value) for state in BY_THE_CLOCK],
        default=KeyState.PRE_ACTIVE,
        db_default=KeyState.PRE_ACTIVE,
        help_text="The last state that it came into by the clock and that the audit tells of.",
    )
    destroyed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["ring_id", "-activates_at"]
        permissions = [("compromise_keypair", "Can declare a key compromised")]
        constraints = [
            models.UniqueConstraint(name="key_kid_once_a_realm", fields=["realm", "kid"]),
            models.CheckConstraint(
                name="key_timetable_in_order",
                condition=Q(published_at__lte=F("activates_at"))
                & (
                    Q(deactivates_at__isnull=True, unpublishes_at__isnull=True)
                    | Q(
                        deactivates_at__isnull=False,
                        unpublishes_at__isnull=False,
                        deactivates_at__gt=F("activates_at"),
                        unpublishes_at__gte=F("deactivates_at"),
                    )
                ),
            ),
            models.CheckConstraint(
                name="key_private_half_or_destroyed",
                condition=Q(destroyed_at__isnull=True, sealed_private__isnull=False, custodian_reference="")
                | (Q(destroyed_at__isnull=True, sealed_private__isnull=True) & ~Q(custodian_reference=""))
                # A reference beside `destroyed_at` says that the custodian hasn't confirmed it yet.
                | Q(destroyed_at__isnull=False, sealed_private__isnull=True),
            ),
            models.CheckConstraint(
                name="key_withdrawn_before_it_signed",
                condition=Q(withdrawn_at__isnull=True)
                | Q(withdrawn_at__lt=F("activates_at"), destroyed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="key_that_ends_its_ring_has_an_end",
                condition=Q(ends_ring=False) | Q(deactivates_at__isnull=False, withdrawn_at__isnull=True),
            ),
            models.CheckConstraint(name="key_lifetime_above_nought", condition=Q(max_lifetime__gt=timedelta(0))),
            ExclusionConstraint(
                name="key_one_signer_at_a_time",
                index_type="GIST",
                expressions=[
                    (_RowRange(F("ring_id"), F("ring_id"), Value("[]")), RangeOperators.OVERLAPS),
                    (
                        Func(
                            F("activates_at"),
                            F("deactivates_at"),
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(compromised_at__isnull=True, withdrawn_at__isnull=True),
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class JwksVersion(models.Model):
    """A JWK Set that a realm has served, named by its ETag. They change as seldom as keys do."""

    realm = models.ForeignKey(Realm, on_delete=models.CASCADE, related_name="+")
    etag = models.CharField(max_length=64)
    kids = models.JSONField()
    first_served_at = models.DateTimeField()
    last_served_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="version_once_a_realm", fields=["realm", "etag"])]

    def __str__(self) -> str:
        return self.etag


class JwksFetcher(models.Model):
    """Who fetches a realm's JWK Set, in one of a fixed number of slots: no flood makes the table grow."""

    realm = models.ForeignKey(Realm, on_delete=models.CASCADE, related_name="+")
    slot = models.PositiveSmallIntegerField()
    address = models.CharField(max_length=LONGEST_ADDRESS, blank=True)
    user_agent = models.CharField(max_length=LONGEST_USER_AGENT, blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    holds = models.ForeignKey(JwksVersion, on_delete=models.PROTECT, related_name="+")
    held_before = models.ForeignKey(JwksVersion, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(name="fetcher_slots_are_few", condition=Q(slot__lt=MOST_FETCHERS)),
            models.UniqueConstraint(name="fetcher_one_a_slot", fields=["realm", "slot"]),
            models.UniqueConstraint(name="fetcher_in_one_slot", fields=["realm", "address", "user_agent"]),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.user_agent}"


class UnseatedFetches(models.Model):
    """How often somebody fetched on a day for whom no slot was free."""

    realm = models.ForeignKey(Realm, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()
    fetches = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="unseated_once_a_day", fields=["realm", "day"])]

    def __str__(self) -> str:
        return f"{self.day}: {self.fetches}"


class SignatureCount(models.Model):
    """How many tokens a key signed within an hour; what has expired is forgotten."""

    key = models.ForeignKey(KeyPair, on_delete=models.CASCADE, related_name="+")
    hour = models.DateTimeField()
    signatures = models.PositiveBigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="signatures_once_an_hour", fields=["key", "hour"])]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}: {self.signatures}"


class MarkCount(models.Model):
    """How often a mark outside the database was counted up; see `keys.restore_mark`."""

    id = models.UUIDField(primary_key=True, editable=False)
    count = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return str(self.id)
