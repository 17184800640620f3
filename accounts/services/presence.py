"""People who are deleted while something is written for them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from accounts.errors import PersonGone
from accounts.models import User


@contextmanager
def noticing_deletion(person: User) -> Iterator[None]:
    """Say that a person is gone where the database says that a row refers to nobody.

    It looks at references when the outermost transaction commits, so this belongs around that one; inside another
    it sees nothing.

    Arguments:
        person: to whom the rows refer.

    Raises:
        PersonGone: they were deleted meanwhile; nothing was written.
    """
    try:
        yield
    except IntegrityError as error:
        if User.objects.filter(pk=person.pk).exists():
            raise
        raise PersonGone("The person was deleted in this moment.") from error
