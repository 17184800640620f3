"""Environment → typed settings. Every name here is described in docs/configuration.md."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from idp_project.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
if _env_file := os.environ.get("IDP_ENV_FILE", ""):
    env.read_file(Path(_env_file))
elif (BASE_DIR / ".env").is_file():
    env.read_file(BASE_DIR / ".env")

# --- What must be said: without these the server refuses to start -----------------------------------------
IDP_ISSUER = env.required(
    "IDP_ISSUER", hint="give the public base address of this provider, such as https://id.example.org."
).rstrip("/")
SECRET_KEY = env.secret("IDP_SECRET_KEY", hint="give at least 50 random characters.")
IDP_MASTER_SECRETS = env.secret(
    "IDP_MASTER_SECRETS", hint="give id:base64 of 32 random bytes, such as k1:$(openssl rand -base64 32)."
)
env.required("DATABASE_URL", hint="name a PostgreSQL 15 or newer, such as postgres://user:password@host/signet.")

# --- Where people and services reach it -------------------------------------------------------------------
_issuer = urlsplit(IDP_ISSUER)
IDP_PLAIN_HTTP = _issuer.scheme == "http"  # only for a loopback issuer: signet.E001
ALLOWED_HOSTS = [_issuer.hostname or "", *env.list("IDP_ALLOWED_HOSTS", default=[])]
IDP_TRUSTED_PROXIES: list[str] = env.list("IDP_TRUSTED_PROXIES", default=[])

# --- Keys (keys/conf.py turns these into a validated policy) ----------------------------------------------
IDP_KEY_ROTATION_PERIOD = env.duration("IDP_KEY_ROTATION_PERIOD", "P90D")
IDP_KEY_PROPAGATION = env.duration("IDP_KEY_PROPAGATION", "PT48H")
IDP_KEY_MAX_TOKEN_LIFETIME = env.duration("IDP_KEY_MAX_TOKEN_LIFETIME", "P7D")
IDP_KEY_CLOCK_SKEW = env.duration("IDP_KEY_CLOCK_SKEW", "PT5M")
IDP_KEY_VERIFIER_LEEWAY = env.duration("IDP_KEY_VERIFIER_LEEWAY", "PT5M")
IDP_KEY_PATIENCE = env.duration("IDP_KEY_PATIENCE", "PT0S")
IDP_SIGNER_TTL = env.duration("IDP_SIGNER_TTL", "PT5S")
IDP_JWKS_MAX_AGE = env.duration("IDP_JWKS_MAX_AGE", "PT5M")
IDP_JWKS_OUTAGE = env.duration("IDP_JWKS_OUTAGE", "PT1H")
IDP_JWKS_HISTORY = env.bool("IDP_JWKS_HISTORY", default=False)
IDP_DEAD_KEYS_FILE = env.str("IDP_DEAD_KEYS_FILE", default="")

# --- Custodians (keys/custodians; what isn't used isn't set) ------------------------------------------------
IDP_AWS_KMS_REGION = env.str("IDP_AWS_KMS_REGION", default="")
IDP_AWS_KMS_KEY = env.str("IDP_AWS_KMS_KEY", default="")
IDP_AWS_KMS_ENDPOINT = env.str("IDP_AWS_KMS_ENDPOINT", default="")
IDP_PKCS11_MODULE = env.str("IDP_PKCS11_MODULE", default="")
IDP_PKCS11_TOKEN = env.str("IDP_PKCS11_TOKEN", default="")
IDP_PKCS11_PIN = env.optional_secret("IDP_PKCS11_PIN")
IDP_PKCS11_KEY = env.str("IDP_PKCS11_KEY", default="")
IDP_VAULT_URL = env.str("IDP_VAULT_URL", default="")
IDP_VAULT_TOKEN = env.str("IDP_VAULT_TOKEN", default="")
IDP_VAULT_TOKEN_FILE = env.str("IDP_VAULT_TOKEN_FILE", default="")  # read for each call: agents renew it
IDP_VAULT_KEY = env.str("IDP_VAULT_KEY", default="")
IDP_VAULT_MOUNT = env.str("IDP_VAULT_MOUNT", default="transit")
IDP_VAULT_NAMESPACE = env.str("IDP_VAULT_NAMESPACE", default="")

# --- Who watches (no metrics where no token is given) --------------------------------------------------------
IDP_METRICS_TOKEN = env.optional_secret("IDP_METRICS_TOKEN")

# --- Tokens -----------------------------------------------------------------------------------------------
IDP_HANDLE_EPOCH = env.int("IDP_HANDLE_EPOCH", default=0)
IDP_EXPIRED_TOKENS = env.bool("IDP_EXPIRED_TOKENS", default=False)
IDP_ADMIN_SECOND_FACTOR = env.bool("IDP_ADMIN_SECOND_FACTOR", default=True)
IDP_PASSWORD_HASHES_IN_FLIGHT = env.int("IDP_PASSWORD_HASHES_IN_FLIGHT", default=4)

IDP_BREACHED_PASSWORDS_FILE = env.str("IDP_BREACHED_PASSWORDS_FILE", default="")
IDP_BREACHED_PASSWORDS_URL = env.str("IDP_BREACHED_PASSWORDS_URL", default="")

# --- Mail to people (none where no address is given) ---------------------------------------------------------
_mail = env.mail("IDP_EMAIL_URL")
IDP_CAN_MAIL = bool(_mail)
EMAIL_BACKEND = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.dummy.EmailBackend")
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH")
EMAIL_HOST = _mail.get("EMAIL_HOST", "")
EMAIL_PORT = _mail.get("EMAIL_PORT", 0)
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10  # seconds for each step of the conversation
EMAIL_SUBJECT_PREFIX = ""
DEFAULT_FROM_EMAIL = env.str("IDP_EMAIL_FROM", default=f"no-reply@{_issuer.hostname}")

# --- Django -----------------------------------------------------------------------------------------------
DEBUG = False
INSTALLED_APPS = [
    "idp_project",
    "tokens",
    "accounts",
    "keys",
    "audit",
    "realms",
    "idp_project.operators.apps.OperatorsConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "tokens.cors.Preflights",
    "corsheaders.middleware.CorsMiddleware",  # before whatever may answer, so that refusals can be read too
    "idp_project.middleware.RefuseNul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "idp_project.middleware.OutageIs503",
]
ROOT_URLCONF = "idp_project.urls"
WSGI_APPLICATION = "idp_project.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"].update(
    CONN_MAX_AGE=None,
    CONN_HEALTH_CHECKS=True,
    ATOMIC_REQUESTS=False,  # a revocation must outlive the error that reports it
    DISABLE_SERVER_SIDE_CURSORS=True,  # PgBouncer in transaction mode keeps no cursors
    # A database host that vanished without a word is noticed within seconds, not after the kernel's hours.
    OPTIONS={
        "connect_timeout": 3,
        "tcp_user_timeout": 10_000,  # ms
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        **DATABASES["default"].get("OPTIONS", {}),
    },
)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.LimitedBackend"]
PASSWORD_HASHERS = ["accounts.hashers.BoundedArgon2"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password_validators.Length"},
    {"NAME": "accounts.password_validators.BesideContext"},
    {"NAME": "accounts.password_validators.Uncommon"},
    {"NAME": "accounts.password_validators.NotBreached"},
]
LOGIN_URL = "admin:login"

LANGUAGE_CODE = "en"
# Those that the people's pages speak; discovery lists them. Each but English has its catalogue in `locale`.
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "idp_project.formats"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# --- Browser-side defences --------------------------------------------------------------------------------
SECURE_HSTS_SECONDS = 0 if IDP_PLAIN_HTTP else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not IDP_PLAIN_HTTP
SECURE_HSTS_PRELOAD = not IDP_PLAIN_HTTP
SECURE_SSL_REDIRECT = not IDP_PLAIN_HTTP
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^health$"]  # probes come by plain HTTP from inside
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not IDP_PLAIN_HTTP
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "accounts.views.csrf_failure"
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_ENGINE = "accounts.cookie_sessions"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
# Whose scripts may read an answer: tokens/cors.py says, request by request. No address is open to all that the
# settings name, and cookies are never taken: CORS_ALLOW_CREDENTIALS stays off.
CORS_URLS_REGEX = r"(?!)"
CORS_ALLOW_METHODS = ("GET", "POST")  # tokens/cors.py names the endpoint's own
CORS_ALLOW_HEADERS = ("authorization", "content-type", "dpop")
CORS_EXPOSE_HEADERS = ("WWW-Authenticate", "DPoP-Nonce")
CORS_PREFLIGHT_MAX_AGE = 3_600  # seconds
# Django's advice on HTTPS doesn't apply to a loopback issuer, the only kind that may speak plain HTTP.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008", "security.W012", "security.W016"] if IDP_PLAIN_HTTP else []

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],  # flows parse their own body, strictly, before any library sees it
    "UNAUTHENTICATED_USER": None,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("IDP_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "botocore": {"level": "WARNING"},  # it tells each process where it found credentials
        "fido2": {"level": "WARNING"},  # it tells which passkey was used
    },
}
