"""What the site's operator writes; addresses, client and folder come from the test in one variable."""

import json
import os
import secrets

SITE = json.loads(os.environ["SITE"])

SECRET_KEY = secrets.token_urlsafe(60)
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.interop.mozilla_site.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "mozilla_django_oidc",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mozilla_django_oidc.middleware.SessionRefresh",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": SITE["database"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
USE_TZ = True

AUTHENTICATION_BACKENDS = ["mozilla_django_oidc.auth.OIDCAuthenticationBackend"]
LOGIN_URL = "oidc_authentication_init"
LOGIN_REDIRECT_URL = "/me"
LOGIN_REDIRECT_URL_FAILURE = "/failed"
LOGOUT_REDIRECT_URL = "/"

OIDC_RP_CLIENT_ID = SITE["client_id"]
OIDC_RP_CLIENT_SECRET = SITE["client_secret"]
OIDC_RP_SIGN_ALGO = "RS256"
OIDC_RP_SCOPES = "openid email"
OIDC_USE_PKCE = True
OIDC_OP_AUTHORIZATION_ENDPOINT = SITE["authorization_endpoint"]
OIDC_OP_TOKEN_ENDPOINT = SITE["token_endpoint"]
OIDC_OP_USER_ENDPOINT = SITE["userinfo_endpoint"]
OIDC_OP_JWKS_ENDPOINT = SITE["jwks_uri"]
OIDC_STORE_ID_TOKEN = True
OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS = SITE["seconds_until_renewal"]
OIDC_OP_LOGOUT_URL_METHOD = "tests.interop.mozilla_site.urls.sign_out_address"
