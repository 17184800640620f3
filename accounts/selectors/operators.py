"""Reading who has a part in the admin, and who may touch whom there."""

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User

_Group = User.groups.through
_Permission = User.user_permissions.through


def with_rights(people: QuerySet[User]) -> QuerySet[User]:
    """Of some people, those who have any right in the admin, or are only waiting to be let in with one."""
    grouped = Exists(_Group.objects.filter(user=OuterRef("pk")))
    permitted = Exists(_Permission.objects.filter(user=OuterRef("pk")))
    return people.filter(Q(is_staff=True) | Q(is_superuser=True) | grouped | permitted)


def owners() -> QuerySet[User]:
    """Who may do everything in the admin, and can come in."""
    return User.objects.filter(is_superuser=True, is_active=True, is_staff=True)


def may_touch(operator: User, person: User) -> bool:
    """Whether an operator may change a person, or anything by which that person proves who they are.

    Whoever may give somebody another password or address can become them. So owners alone touch people who have
    rights in the admin, whatever these are, and nobody else touches even themselves: what one operator does would
    be told as another's.

    Arguments:
        operator: who acts; their permission to act at all is asked for elsewhere.
        person: whom it would hit, as the database has them.
    """
    return operator.is_superuser or not with_rights(User.objects.filter(pk=person.pk)).exists()
