"""The timetables of a ring as a picture: moments in, the geometry of an SVG out.

Time runs from left to right, one row a key, the oldest on top. All lengths are whole pixels of the
picture's own coordinates, so that no locale writes a comma into an attribute.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from keys.timetable import KeyState, Timetable, state_at

WIDTH = 960
PLOT_LEFT, PLOT_RIGHT = 206, 950
HEADER, ROW_HEIGHT, FOOTER = 50, 30, 8
MOST_ROWS = 16
MOST_TICKS = 9
SHORT_KID = 10

_HEIGHTS = {
    KeyState.PRE_ACTIVE: 12,
    KeyState.ACTIVE: 20,
    KeyState.DEACTIVATED: 12,
    KeyState.ARCHIVED: 2,
    KeyState.COMPROMISED: 4,
}
_PUBLISHED = frozenset({KeyState.PRE_ACTIVE, KeyState.ACTIVE, KeyState.DEACTIVATED})
_SHORTEST_WINDOW = timedelta(hours=6)
_LABEL_REACH = 62  # half of what the words at the line of the present need

_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_STEPS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24, 48, 168, 336))
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)
_MONTH = timedelta(days=30)
_YEAR = 12


@dataclass(frozen=True, slots=True)
class PicturedKey:
    """A key as the picture knows it.

    Attributes:
        to_come: whether it is only foreseen: nobody has made it yet.
    """

    kid: str
    times: Timetable
    to_come: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """A state and the moments between which a key is in it; no end where none is scheduled."""

    state: KeyState
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A phase, drawn."""

    phase: Phase
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """One key: its label, its bars, and where its trust ended, if it did.

    Attributes:
        middle: the y that its bars are centred on.
        condemned_x: the x of the moment at which it was declared compromised.
        to_come: whether nobody has made it yet.
    """

    kid: str
    short: str
    state: KeyState
    middle: int
    bars: tuple[Bar, ...]
    condemned_x: int | None
    to_come: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the time axis and what stands at it."""

    x: int
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws.

    Attributes:
        now_x: where the present is.
        now_anchor: how the words at that line are anchored, so that they stay inside the picture.
        left_out: how many old keys have no row, because the picture would be too long.
    """

    height: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    now: datetime
    now_x: int
    now_anchor: str
    since: datetime
    until: datetime
    left_out: int
    width: int = WIDTH
    plot_left: int = PLOT_LEFT
    plot_right: int = PLOT_RIGHT
    plot_top: int = HEADER

    @property
    def ahead_width(self) -> int:
        """How wide the part of the picture is that has not happened yet."""
        return self.plot_right - self.now_x

    @property
    def ahead_height(self) -> int:
        """How high the rows are together."""
        return ROW_HEIGHT * len(self.rows)


@dataclass(frozen=True, slots=True)
class _Axis:
    since: datetime
    until: datetime

    def x(self, moment: datetime) -> int:
        share = (moment - self.since) / (self.until - self.since)
        return PLOT_LEFT + round(share * (PLOT_RIGHT - PLOT_LEFT))


def phases(times: Timetable) -> tuple[Phase, ...]:
    """What a key went through and what lies ahead of it, in order, without gaps; the last has no end.

    A compromise ends whatever was scheduled after it, and so does a withdrawal.
    """
    scheduled = (
        (KeyState.PRE_ACTIVE, times.published_at),
        (KeyState.ACTIVE, times.activates_at),
        (KeyState.DEACTIVATED, times.deactivates_at),
        (KeyState.ARCHIVED, times.unpublishes_at),
    )
    starts = [(state, moment) for state, moment in scheduled if moment is not None]
    if (withdrawn := times.withdrawn_at) is not None:
        starts = [*((state, moment) for state, moment in starts if moment < withdrawn), (KeyState.ARCHIVED, withdrawn)]
    if (condemned := times.compromised_at) is not None:
        starts = [(state, moment) for state, moment in starts if moment < condemned]
        starts.append((KeyState.COMPROMISED, condemned))
    ends = [moment for _, moment in starts[1:]]
    return tuple(
        Phase(state, since, until)
        for (state, since), until in zip(starts, (*ends, None), strict=True)
        if until is None or since < until
    )


def draw(keys: Iterable[PicturedKey], *, now: datetime) -> Picture:
    """The picture of a ring at a moment.

    Arguments:
        keys: all keys of the ring, in any order. Every published one gets a row, and of the others the
            youngest, up to `MOST_ROWS`. Keys to come may be among them.
        now: the moment to mark, aware.

    Returns:
        The geometry; without keys, an axis around the present and no rows.
    """
    ordered = sorted(keys, key=lambda key: (key.times.activates_at, key.times.published_at, key.kid))
    shown = _shown(ordered, now)
    axis = _axis(shown, now)
    now_x = axis.x(now)
    return Picture(
        height=HEADER + ROW_HEIGHT * len(shown) + FOOTER,
        rows=tuple(_row(key, place, axis, now) for place, key in enumerate(shown)),
        ticks=_ticks(axis),
        now=now,
        now_x=now_x,
        now_anchor=_anchor(now_x),
        since=axis.since,
        until=axis.until,
        left_out=len(ordered) - len(shown),
    )


def _shown(ordered: Sequence[PicturedKey], now: datetime) -> list[PicturedKey]:
    published = sum(state_at(key.times, now) in _PUBLISHED for key in ordered)
    room = max(MOST_ROWS - published, 0)
    found = []
    for key in reversed(ordered):
        if state_at(key.times, now) in _PUBLISHED:
            found.append(key)
        elif room:
            found.append(key)
            room -= 1
    return found[::-1]


def _axis(shown: Sequence[PicturedKey], now: datetime) -> _Axis:
    moments = [phase.since for key in shown for phase in phases(key.times)] + [now]
    since, until = min(moments), max(moments)
    span = max(until - since, _SHORTEST_WINDOW)
    # The last key's open end needs room: what it is scheduled to do begins at the last moment of all.
    return _Axis(since - span / 64, since + span + span / 10)


def _row(key: PicturedKey, place: int, axis: _Axis, now: datetime) -> Row:
    middle = HEADER + ROW_HEIGHT * place + ROW_HEIGHT // 2
    condemned = key.times.compromised_at
    return Row(
        kid=key.kid,
        short=key.kid if len(key.kid) <= SHORT_KID + 1 else key.kid[:SHORT_KID] + "…",
        state=state_at(key.times, now),
        middle=middle,
        bars=tuple(_bar(phase, middle, axis) for phase in phases(key.times)),
        condemned_x=axis.x(condemned) if condemned is not None else None,
        to_come=key.to_come,
    )


def _bar(phase: Phase, middle: int, axis: _Axis) -> Bar:
    left = axis.x(phase.since)
    right = axis.x(phase.until) if phase.until is not None else PLOT_RIGHT
    height = _HEIGHTS[phase.state]
    return Bar(phase, left, middle - height // 2, max(right - left, 1), height)


def _anchor(now_x: int) -> str:
    if now_x - _LABEL_REACH < PLOT_LEFT:
        return "start"
    return "end" if now_x + _LABEL_REACH > PLOT_RIGHT else "middle"


def _ticks(axis: _Axis) -> tuple[Tick, ...]:
    span = axis.until - axis.since
    for step in _STEPS:
        if span <= MOST_TICKS * step:
            return tuple(Tick(axis.x(moment), _hour_or_day(moment)) for moment in _every(step, axis))
    months = next((count for count in _MONTHS if span <= MOST_TICKS * count * _MONTH), _MONTHS[-1])
    form = "%Y" if months >= _YEAR else "%b %Y"
    return tuple(Tick(axis.x(moment), moment.strftime(form)) for moment in _every_months(months, axis))


def _every(step: timedelta, axis: _Axis) -> list[datetime]:
    moment = _MONDAY + -(-(axis.since - _MONDAY) // step) * step
    found = []
    while moment <= axis.until:
        found.append(moment)
        moment += step
    return found


def _every_months(count: int, axis: _Axis) -> list[datetime]:
    month = axis.since.year * 12 + axis.since.month - 1
    month -= month % count
    found = []
    while (moment := datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)) <= axis.until:
        if moment >= axis.since:
            found.append(moment)
        month += count
    return found


def _hour_or_day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}" if moment.hour == 0 else f"{moment:%H:%M}"
