"""By what the list of security events can be narrowed; each by an index."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.models import Event
from audit.selectors import of_person, on_days
from audit.vocabulary import EventName
from realms.selectors import all_realms

_INSTALLATION = "-"  # a realm's slug begins with a letter or a digit


class NameFilter(admin.SimpleListFilter):
    """What happened. The names are known, so that no query has to collect them from a long table."""

    title = "event"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  (Django's)
        """Every name of the vocabulary."""
        return [(name.value, name.value) for name in sorted(EventName)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """The events of this name."""
        return queryset.filter(name=self.value()) if self.value() in list(EventName) else queryset


class RealmFilter(admin.SimpleListFilter):
    """Where it happened."""

    title = "realm"
    parameter_name = "realm"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every realm, and the installation itself."""
        return [*((realm.slug, realm.slug) for realm in all_realms()), (_INSTALLATION, "the installation")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """The events of this realm."""
        if self.value() not in [slug for slug, _ in self.lookup_choices]:
            return queryset
        return queryset.filter(realm="" if self.value() == _INSTALLATION else self.value())


class _AddressFilter(admin.SimpleListFilter):
    """Something that a link names; beside the list it is shown where there is one, so that it can be left again."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The one in the address."""
        asked = request.GET.get(str(self.parameter_name), "")
        return [(asked, asked)] if asked else []


class PersonFilter(_AddressFilter):
    """A person's whole history, by their subject."""

    title = "person"
    parameter_name = "person"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """What they did, and what happened to them and theirs."""
        return queryset.filter(of_person(str(self.value()))) if self.value() else queryset


class TargetFilter(_AddressFilter):
    """One thing, by its whole id."""

    title = "target"
    parameter_name = "target"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """What happened to it."""
        return queryset.filter(target=self.value()) if self.value() else queryset


class DayFilter(admin.ListFilter):
    """From one day to another, both included, by UTC."""

    title = "day (UTC)"
    template = "admin/audit/event/days.html"
    NAMES = ("from", "to")

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.others = [(name, value) for name, values in request.GET.lists() for value in values]
        self.others = [(name, value) for name, value in self.others if name not in (*self.NAMES, "p", "e")]
        for name in self.NAMES:
            value = params.pop(name, [""])[-1]
            if value:
                self.used_parameters[name] = value

    def has_output(self) -> bool:
        """Always: two fields."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """What it takes from the address."""
        return list(self.NAMES)

    def choices(self, changelist: Any) -> Any:  # noqa: ARG002
        """None to click on: the template has the fields."""
        return []

    @property
    def first(self) -> str:
        """As it was given."""
        return str(self.used_parameters.get("from", ""))

    @property
    def last(self) -> str:
        """As it was given."""
        return str(self.used_parameters.get("to", ""))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """The events of these days.

        Raises:
            IncorrectLookupParameters: there is no such day; the list says so, and doesn't show more than was asked.
        """
        try:
            return queryset.filter(on_days(_day(self.first), _day(self.last)))
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


TAKEN = frozenset(
    {*DayFilter.NAMES, *(each.parameter_name for each in (NameFilter, RealmFilter, PersonFilter, TargetFilter))}
)
