"""`python -m tests.pictures.server` makes the rows and serves, while its clock begins at the same moment each time.

Standard input says what is known only at run time; the first line of standard output is the application's secret.
"""

import json
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
import time_machine


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request, as browsers keep connections open."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp_project.settings")
    django.setup()
    from tests.pictures.rows import MOMENT, make_rows

    asked = json.load(sys.stdin)
    with time_machine.travel(MOMENT, tick=True):
        sys.stdout.write(make_rows(password=asked["password"], callback=asked["callback"]) + "\n")
        sys.stdout.flush()
        from idp_project.wsgi import application

        make_server("127.0.0.1", asked["port"], application, server_class=Server, handler_class=Quiet).serve_forever()
