"""/healthz and /readyz, answered before anything else looks at the request."""

import socket

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse


class Health:
    """Whoever asks for health calls us by an IP address, which ALLOWED_HOSTS would refuse: hence a middleware."""

    def __init__(self, get_response):
        self._get_response = get_response
        self._answers = {"/healthz": alive, "/readyz": ready}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._answers.get(request.path_info)
        response = answer() if answer else self._get_response(request)
        response["X-Pod"] = socket.gethostname()
        response["X-Version"] = settings.APP_VERSION
        return response


def alive() -> JsonResponse:
    """The process answers. Nothing else is asked."""
    return JsonResponse({"status": "alive"})


def ready() -> JsonResponse:
    """The process can show orders: the database answers, and the orders service has made its table."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('orders') IS NOT NULL")
            found = cursor.fetchone()[0]
    except Error:
        connection.close()  # the next request tries anew
        return JsonResponse({"detail": "the database does not answer"}, status=503)
    if not found:
        return JsonResponse({"detail": "there is no table of orders yet"}, status=503)
    return JsonResponse({"status": "ready"})
