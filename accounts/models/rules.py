"""What constraints of several tables say alike."""

from django.db import models
from django.db.models import F, Func, Value
from django.db.models.lookups import Exact


def is_array(column: str) -> Exact:
    """That a JSON column holds an array."""
    kind = Func(F(column), function="jsonb_typeof", output_field=models.TextField())
    return Exact(kind, Value("array"))
