"""How old keys are, and how long it is to the next step of each ring's timetable."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from keys.due import longest_overdue, time_left
from keys.models import KeyPair, KeyRing
from keys.overview import waits_for
from keys.planning import succession
from keys.selectors import facts_of, keys_by_ring, rings
from keys.timetable import KeyState, state_at

_DAY = timedelta(days=1)
_RING = ("realm", "ring")


class KeyCollector(Collector):
    """The rings at the moment of asking, in two queries."""

    def describe(self) -> Iterable[Metric]:
        """Every metric without a sample, so that a registry asks for no rows."""
        return _families()

    def collect(self) -> Iterable[Metric]:
        """Every metric of every ring."""
        now, families = timezone.now(), _families()
        found = list(rings())
        keys = keys_by_ring(found)
        for ring in found:
            _measure(ring, keys[ring.pk], now, families)
        return families


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily("signet_keys", "Keys by their state.", labels=(*_RING, "state")),
        GaugeMetricFamily("signet_key_age_seconds", "For how long the ring's key has been signing.", labels=_RING),
        GaugeMetricFamily(
            "signet_key_days_left", "Days until the next step of the ring's timetable; 0: it is due.", labels=_RING
        ),
        GaugeMetricFamily(
            "signet_key_days_overdue", "Days since which a step is undone that is overdue; 0: none is.", labels=_RING
        ),
        GaugeMetricFamily(
            "signet_key_looked_after_seconds", "Since when rotate_keys has not looked after the ring.", labels=_RING
        ),
    )


def _measure(ring: KeyRing, keys: Sequence[KeyPair], now: datetime, families: Sequence[GaugeMetricFamily]) -> None:
    by_state, age, left, late, looked_after = families
    facts, name = [facts_of(key) for key in keys], (ring.realm.slug, str(ring))
    states = Counter(state_at(fact.times, now) for fact in facts)
    for state in KeyState:
        by_state.add_metric((*name, state.value), states[state])
    signer = succession(facts, now).signer
    if signer is not None:
        age.add_metric(name, (now - signer.times.activates_at).total_seconds())
    steps = waits_for(ring, facts, now)
    remaining = time_left(steps, now)
    if remaining is not None:
        left.add_metric(name, remaining / _DAY)
    late.add_metric(name, longest_overdue(steps, now) / _DAY)
    looked_after.add_metric(name, (now - (ring.looked_after_at or ring.created_at)).total_seconds())
