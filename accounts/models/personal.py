"""The key of a person, under which the audit keeps what is personal; with the person it goes."""

from django.db import models

from accounts.models.people import User


class PersonalKey(models.Model):
    """A data key, sealed. Once it is destroyed, nobody reads what it sealed: the audit stays whole without it."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="+")
    secret = models.BinaryField(editable=False)  # sealed
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.pk)
