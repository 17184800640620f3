"""What the admin's templates ask of keys: the rings at a glance, the picture of a timetable, and words."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString

from keys import forecast_reports, reports
from keys.drill import Reaction
from keys.evidence import Propagation
from keys.forecast import Forecast
from keys.models import KeyPair
from keys.overview import STATE_WORDS, all_rings
from keys.reports import held_in_words
from keys.selectors import timetable_of
from keys.timetable import KeyState, state_at
from keys.timetable_picture import Picture, PicturedKey, draw
from realms.spans import roughly

register = template.Library()

_LEGEND = (
    (KeyState.PRE_ACTIVE, "published, waiting"),
    (KeyState.ACTIVE, "signing"),
    (KeyState.DEACTIVATED, "verifying only"),
    (KeyState.ARCHIVED, "archived"),
    (KeyState.COMPROMISED, "compromised"),
)


@register.inclusion_tag("keys/rings_at_a_glance.html", takes_context=True)
def rings_at_a_glance(context: template.Context) -> dict[str, Any]:
    """How every ring stands now; nothing for whoever may not look at rings."""
    user = context["request"].user
    if not user.has_perm("keys.view_keyring"):
        return {"allowed": False}
    now = timezone.now()
    found = all_rings(now)
    return {
        "allowed": True,
        "rings": found,
        "late": sum(bool(ring.warnings) for ring in found),
        "now": now,
        "may_rotate": user.has_perm("keys.rotate_keyring"),
        "may_see_keys": user.has_perm("keys.view_keypair"),
    }


@register.simple_tag
def counted(count: int, things: str) -> str:
    """So many things, in the singular where it is one."""
    return reports.counted(count, things)


@register.filter
def held(evidence: Propagation) -> str:
    """How many fetchers hold the next key, as a sentence."""
    return held_in_words(evidence)


@register.inclusion_tag("keys/timetable.html")
def timetable_picture(
    keys: Iterable[KeyPair], now: datetime, title: str, foreseen: Forecast | None = None
) -> dict[str, Any]:
    """The picture of some keys' timetables.

    Arguments:
        keys: the keys of one ring.
        now: the moment to mark, aware; the page's own, so that all of it tells of one moment.
        title: what the picture shows, for those who can't see it.
        foreseen: what lies ahead of the ring. It is drawn instead of what the rows say, which goes only as far
            as the standby's takeover.
    """
    made = [PicturedKey(key.kid, timetable_of(key)) for key in keys]
    if foreseen is not None and not foreseen.refused:
        kids = {key.kid for key in made}
        made = [PicturedKey(key.kid, key.times, key.kid not in kids) for key in foreseen.course.keys]
    picture = draw(made, now=now)
    return {"picture": picture, "title": title, "description": _described(picture), "legend": _LEGEND}


@register.filter
def verdict(found: Forecast) -> list[str]:
    """What the verifiers make of a forecast, a sentence each."""
    return forecast_reports.verdict(found)


@register.filter
def state_word(state: KeyState) -> str:
    """A state in a word or two."""
    return STATE_WORDS[state]


@register.simple_tag
def state_badge(key: KeyPair, now: datetime) -> SafeString:
    """A key's state at a moment, as a badge."""
    return badge(state_at(timetable_of(key), now))


def badge(state: KeyState) -> SafeString:
    """A state as a badge; its NIST name is the title."""
    return format_html('<span class="state state-{0}" title="{0}">{1}</span>', state.value, STATE_WORDS[state])


@register.filter
def about(length: timedelta) -> str:
    """A length of time in its largest unit."""
    return roughly(length)


@register.filter
def drops_in_words(kind: Reaction) -> str:
    """When a kind of verifier drops a compromised key."""
    return reports.drops(kind)


@register.filter
def accepts_in_words(kind: Reaction) -> str:
    """When a kind of verifier accepts the successor."""
    return reports.accepts(kind)


@register.filter
def fact_name(name: str) -> str:
    """The name of a fact in an event's details, for reading."""
    return name.replace("_at", "").replace("_", " ")


@register.filter
def fact(value: object) -> object:
    """A fact in an event's details: a moment to the second, anything else as it is."""
    moment = parse_datetime(value) if isinstance(value, str) else None
    return f"{moment:%d %b %Y %H:%M:%S} UTC" if moment else value


@register.filter
def from_until(moment: datetime, other: datetime) -> timedelta:
    """How long it is from one moment to another."""
    return other - moment


def _described(picture: Picture) -> str:
    """The picture in sentences: one a key."""
    sentences = [f"Now is {picture.now:%d %b %Y %H:%M} UTC."]
    for row in picture.rows:
        spans = "; ".join(f"{STATE_WORDS[bar.phase.state]} from {bar.phase.since:%d %b %Y %H:%M}" for bar in row.bars)
        sentences.append(f"Key {row.kid}{', not made yet' * row.to_come}: {spans}.")
    return " ".join(sentences)
