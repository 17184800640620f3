"""Numbers for Prometheus, read from the rows at the moment of asking: so all workers say the same.

One module a subject, and its collector in `COLLECTORS`. A label's values come from a bounded set, such as realms,
rings and states: never people, clients, kids or addresses. Nothing secret is a number or a label.
"""

import hmac

from django.conf import settings
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from idp_project.metrics.keys import KeyCollector

COLLECTORS: tuple[type[Collector], ...] = (KeyCollector,)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def may_read(authorization: str) -> bool:
    """Whether a request may see the metrics (RFC 6750 §2.1); nobody may where no token is configured.

    Arguments:
        authorization: the header, `Bearer` and the token of `IDP_METRICS_TOKEN`; compared in constant time.
    """
    token = settings.IDP_METRICS_TOKEN.encode()
    scheme, _, shown = authorization.partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.encode(), token)


def exposition() -> bytes:
    """Every number of this moment, in the text format of Prometheus.

    Raises:
        DatabaseError: the rows can't be read.
    """
    registry = CollectorRegistry(auto_describe=False)
    for collector in COLLECTORS:
        registry.register(collector())
    return generate_latest(registry)
