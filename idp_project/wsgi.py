"""What granian serves: one WSGI application a worker."""

import os
import sys
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from granian.utils.proxies import wrap_wsgi_with_proxy_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp_project.settings")


def build_application() -> "WSGIApplication":
    """Load Django, warm what a worker's first requests would wait for, and go on with logouts and mail that are left.

    Returns:
        the application. Behind trusted proxies it sees the address and the scheme that they report, and
        from nobody else: whoever may set X-Forwarded-For chooses whom the limit on attempts counts.

    Raises:
        SystemExit: a setting is missing or wrong; one sentence on standard error says which.
    """
    try:
        built = get_wsgi_application()
    except ImproperlyConfigured as error:
        sys.stderr.write(f"signet: {error}\n")
        raise SystemExit(3) from None
    from accounts.services import mail_courier  # noqa: PLC0415  (models load with the application)
    from keys.published_set import warm  # noqa: PLC0415
    from tokens.services import courier  # noqa: PLC0415

    warm(timezone.now())
    courier.resume()
    mail_courier.resume()
    if settings.IDP_TRUSTED_PROXIES:
        behind: WSGIApplication = wrap_wsgi_with_proxy_headers(built, trusted_hosts=settings.IDP_TRUSTED_PROXIES)
        return behind
    return built


application = build_application()
