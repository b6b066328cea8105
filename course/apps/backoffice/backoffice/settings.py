"""Settings of the backoffice, all of them from the environment.

DATABASE_URL   the database of orders, for example postgresql://orders:secret@db:5432/orders
SECRET_KEY     what signs form tokens; needed unless DEBUG=1
ALLOWED_HOSTS  host names that requests may ask for, separated by commas (default: any)
APP_VERSION    what the page and the header X-Version report
BASE_PATH      where a gateway shows the backoffice, for example /backoffice (default: at the root)
DEBUG          1 for pages with tracebacks; never in production
"""

import os
from urllib.parse import unquote, urlsplit

DEBUG = os.environ.get("DEBUG") == "1"
# Without a key there is no start: a service that makes up one of its own signs with another after each restart.
SECRET_KEY = os.environ.get("SECRET_KEY") or ("only for debugging" if DEBUG else "")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "*").split(",")
APP_VERSION = os.environ.get("APP_VERSION", "1")
FORCE_SCRIPT_NAME = os.environ.get("BASE_PATH", "").rstrip("/") or None

ROOT_URLCONF = "backoffice.urls"
WSGI_APPLICATION = "backoffice.wsgi.application"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "shop.health.Health",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}


def _database(url: str) -> dict[str, object]:
    """DATABASE_URL as Django wants it, with a deadline: two seconds without a connection count as unreachable."""
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or 5432),
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        # One connection a worker, kept; checked before each request that uses it, so that a restarted database
        # costs nobody an error.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 2, "options": "-c statement_timeout=2000"},
    }


DATABASES = {"default": _database(os.environ["DATABASE_URL"])} if os.environ.get("DATABASE_URL") else {}
