"""Pre-flight checks for a manager in a process of its own: those of a running exporter."""

import json
import logging
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

from surge_exporter.model import Seconds
from surge_exporter.modelling.answering import PreflightCheck
from surge_exporter.scaling.preflight import Operation, Preflight

_PATH = "/api/v1/preflight"
_ANSWERS = (200, 503)
_PATIENCE_SECONDS = Seconds(5.0)

_log = logging.getLogger(__name__)


class NotAnsweredError(Exception):
    """No exporter answers there."""


def exporter_check(url: str, *, patience_seconds: Seconds = _PATIENCE_SECONDS) -> PreflightCheck:
    """Return a check that asks a running exporter, like http://127.0.0.1:10074; any thread may.

    If that does not answer, everything is allowed: models answer without it as well.

    Raises:
        ValueError: the URL is not one of HTTP.
    """
    _checked(url)

    def check(model: str | None, operation: Operation) -> Preflight:
        try:
            found = ask(url, model, operation, patience_seconds=patience_seconds)
        except NotAnsweredError as error:
            _log.warning("allowed without a check error=%s", error)
            return _allowed(model, operation, str(error))
        wait = found.get("retry_after_seconds")
        return Preflight(
            allowed=bool(found["allowed"]),
            reason=str(found["reason"]),
            operation=operation,
            model=found.get("model"),
            tier=found.get("tier"),
            recommended_model=found.get("recommended_model"),
            retry_after_seconds=None if wait is None else Seconds(float(wait)),
        )

    return check


def ask(
    url: str,
    model: str | None,
    operation: Operation,
    *,
    patience_seconds: Seconds = _PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Return the answer of a running exporter, as its JSON has it.

    Raises:
        NotAnsweredError: it does not answer, or what answers is none.
        ValueError: the URL is not one of HTTP.
    """
    query = {"operation": operation.value} | ({"model": model} if model else {})
    address = f"{_checked(url)}{_PATH}?{urlencode(query)}"
    try:
        status, body = _get(address, patience_seconds)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotAnsweredError(f"{url} does not answer: {reason}") from error
    try:
        found = json.loads(body)
        if status in _ANSWERS and {"allowed", "reason"} <= found.keys():
            return dict(found)
        raise NotAnsweredError(f"{url} does not say: {found['error']}")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        came = f"{url} is no surge-exporter: {_PATH} is answered {status}"
        raise NotAnsweredError(came) from error


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"expected http:// or https://, got {url!r}")
    return url.rstrip("/")


def _get(address: str, patience_seconds: Seconds) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=patience_seconds) as response:  # noqa: S310 - checked
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _allowed(model: str | None, operation: Operation, reason: str) -> Preflight:
    return Preflight(
        allowed=True,
        reason=reason,
        operation=operation,
        model=model,
        tier=None,
        recommended_model=model,
    )
