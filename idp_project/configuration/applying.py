"""Making a database like a configuration: all of it or nothing, in one transaction; the keys come after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from accounts.errors import ProviderRefused, ProviderTaken
from idp_project.configuration.checking import faults
from idp_project.configuration.desired import Defaults, desired_things
from idp_project.configuration.difference import Change, difference
from idp_project.configuration.document import Kind, Place, Things
from idp_project.configuration.exporting import present_things
from idp_project.configuration.given_secrets import told_of_secrets
from idp_project.configuration.rows import rows_of
from idp_project.configuration.schema import CUSTODY, ring_named
from idp_project.errors import ConfigurationRefused
from idp_project.provisioning import Site
from keys.algorithms import ALGORITHMS, Purpose, choose_bits
from keys.conf import default_policy
from keys.custodians.local import LocalCustodian
from keys.errors import RingExists
from keys.models import KeyRing
from keys.selectors import rings
from keys.services.applying import LOCK_TIMEOUT
from keys.services.bootstrapping import Clock, ensure_keys, missing_rings
from keys.services.minting import prove_master_secret
from keys.services.moving import prove_custody
from keys.services.rotation import rotate
from realms.errors import RealmError
from realms.selectors import issuer_of
from tokens.services.clients import ClientIdTaken, ClientRefused

_ONE_AT_A_TIME = 0x7369676E6574  # the number of an advisory lock of this database, which nothing else uses


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import has to do.

    Attributes:
        changes: what differs, in the order in which it is changed.
        desired: what there will be in the realms that are named, complete.
    """

    changes: tuple[Change, ...]
    desired: Things

    @property
    def makes_rings(self) -> bool:
        """Whether keys will have to be made."""
        return any(change.makes and change.place.kind is Kind.RING for change in self.changes)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        changes: what differed.
        secrets: those of the clients that were made, by realm and client_id; nobody sees them again.
        realms: the slugs of the realms that the document names.
        followers: the primary keys of the rings whose timetable has to follow another policy.
    """

    changes: tuple[Change, ...]
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)
    realms: frozenset[str]
    followers: frozenset[int]


def plan_import(wanted: Things, *, site: Site, given: Mapping[Place, str]) -> Plan:
    """What an import would change; writes nothing.

    Arguments:
        wanted: what the document says.
        site: what the settings say.
        given: client secrets at upstream providers, which no document holds, by place.

    Raises:
        ConfigurationRefused: the rules forbid it; one sentence a fault.
        KeysError: a stored secret can't be compared with a given one.
    """
    slugs = {place.realm for place in (*wanted, *given)}
    present = present_things(slugs)
    wanted = told_of_secrets(wanted, present, given)
    desired = desired_things(present, wanted, _defaults(site))
    changes = difference(present, desired)
    found = list(faults(changes, desired, issuers={slug: issuer_of(slug, base=site.base) for slug in slugs}))
    if found:
        raise ConfigurationRefused(found)
    return Plan(changes, desired)


def apply_import(wanted: Things, *, site: Site, given: Mapping[Place, str], actor: str, now: datetime) -> Imported:
    """Make the rows like a document, all of them or none. What it doesn't name is left alone.

    A second import waits for the first, and plans once more by what that left.

    Arguments:
        wanted, site, given: as for `plan_import`.
        actor: opaque id of who does it, for the audit.
        now: aware time of the change.

    Returns:
        What was done; hand it to `follow_with_keys`, since new rings have no keys yet.

    Raises:
        ConfigurationRefused: the rules forbid it, or somebody else changed the same meanwhile; nothing was done.
        KeysError: a ring can't be changed now, or would get no keys; nothing was done.
    """
    first = plan_import(wanted, site=site, given=given)
    if first.makes_rings:
        prove_master_secret([])  # a ring that no key can be made for helps nobody
    _prove_custodians(first)
    try:
        with transaction.atomic():
            _wait_for_other_imports()
            plan = plan_import(wanted, site=site, given=given)
            rows = rows_of(plan.changes, base=site.base, given=given, actor=actor, now=now)
            for change in plan.changes:
                rows.apply(change, plan.desired[change.place])
    except (ClientRefused, ProviderRefused, RealmError) as error:
        raise ConfigurationRefused([str(error)]) from error
    except (IntegrityError, RingExists, ClientIdTaken, ProviderTaken) as error:
        raise ConfigurationRefused(["Somebody else made the same meanwhile: run it again."]) from error
    slugs = frozenset(place.realm for place in wanted)
    return Imported(plan.changes, rows.secrets, slugs, frozenset(rows.followers))


def follow_with_keys(imported: Imported, *, actor: str, clock: Clock, say: Callable[[str], None]) -> None:
    """Make the first keys of rings that have none, and have timetables follow their new policies.

    Safe to repeat, and what `rotate_keys` does too. Never call it in a transaction: RSA takes seconds.

    Arguments:
        imported: what the import did.
        actor: opaque id of who does it, for the audit.
        clock: reads this machine's clock.
        say: is told what is made.

    Raises:
        KeysError: a key can't be made; the message says why.
    """
    named = list(rings().filter(realm__slug__in=imported.realms))
    ensure_keys(named, actor=actor, clock=clock, say=say)
    for ring in named:
        if ring.pk in imported.followers:
            rotate(ring, now=clock(), actor=actor)


def _prove_custodians(plan: Plan) -> None:
    """Have every custodian that gets a ring do once what it will be asked for; outside of any transaction."""
    for change in plan.changes:
        if change.place.kind is Kind.RING and change.after.keys() & CUSTODY:
            name, members = ring_named(change.place.name), plan.desired[change.place]
            if members["custodian"] != LocalCustodian.name:
                prove_custody(
                    custodian=members["custodian"], custody=members["custody"], algorithm=name.algorithm, bits=name.bits
                )


def _defaults(site: Site) -> Defaults:
    bits = {row.name: choose_bits(row, None) for row in ALGORITHMS}
    starts = missing_rings((), expired_tokens=site.expired_tokens)
    names = [str(KeyRing(purpose=one.purpose, algorithm=one.algorithm, bits=bits[one.algorithm])) for one in starts]
    return Defaults(site.base, {purpose: default_policy(purpose) for purpose in Purpose}, tuple(names))


def _wait_for_other_imports() -> None:
    """One import at a time; the lock ends with the transaction."""
    with connection.cursor() as cursor:
        # True makes it local to the transaction, as PgBouncer in transaction mode wants it.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise ConfigurationRefused(["Another import is running: run it again."]) from error
            raise
