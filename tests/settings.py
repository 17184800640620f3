"""The project's settings with an environment made for tests: random secrets, one issuer, the given database."""

import base64
import os
import secrets

os.environ.setdefault("IDP_ISSUER", "https://id.example.test")
os.environ.setdefault("IDP_SECRET_KEY", secrets.token_urlsafe(60))
os.environ.setdefault("IDP_MASTER_SECRETS", "t1:" + base64.b64encode(secrets.token_bytes(32)).decode())
os.environ.setdefault("IDP_EXPIRED_TOKENS", "true")
os.environ.setdefault("IDP_ADMIN_SECOND_FACTOR", "false")  # the tests of what asks for one turn it on
os.environ.setdefault("IDP_ALLOWED_HOSTS", "testserver")

from idp_project.settings import *  # noqa: F403
