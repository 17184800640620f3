"""Write docs/conformance.md."""

from tests.conformance.table import PAGE, conformance

PAGE.write_text(conformance().page(), encoding="utf-8")
