"""Error responses: `{"error", "message", "hint"}` for every failure."""

from __future__ import annotations

import sqlite3
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from mad.engine import Busy, KeyReused, NotJudged, StorageFailed
from mad.errors import MissingExtraError


class ApiError(Exception):
    """An error response and the hint that resolves it."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        hint: str = "",
        *,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.error, self.message, self.hint = status, error, message, hint
        self.headers, self.more = headers, more or {}

    def response(self) -> Response:
        """The response."""
        return JSONResponse(
            {"error": self.error, "message": self.message, "hint": self.hint, **self.more},
            self.status,
            self.headers,
        )


#: What any route may answer before it is reached.
COMMON: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be read, or has not exactly one Host header."},
    401: {"description": "A token is needed."},
    403: {"description": "The token, the host, the page or this server does not allow it."},
    408: {"description": "The request did not arrive in time."},
    413: {"description": "The body is too large."},
    431: {"description": "The headers are too large."},
    503: {"description": "The server is busy or cannot write: retry after `Retry-After` seconds."},
}


def not_found(what: str, hint: str = "") -> ApiError:
    """An error response with status 404."""
    return ApiError(404, "not_found", what, hint)


#: The hint of a refusal because of a full queue.
RESEND = "send the batch again, with the same Idempotency-Key"


def later(status: int, name: str, error: Busy | StorageFailed, hint: str) -> ApiError:
    """An error response to a batch that the client has to send again."""
    wait = {"Retry-After": str(error.retry_after)}
    return ApiError(status, name, str(error), hint, headers=wait)


def install(app: FastAPI) -> None:
    """Makes every error of an application a response of the same shape."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> Response:
        return error.response()

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> Response:
        return later(429, "busy", error, RESEND).response()

    @app.exception_handler(StorageFailed)
    async def storage(_: Request, error: StorageFailed) -> Response:
        hint = "the batch was not accepted; see reasons of /health, and send it again"
        return later(503, "storage", error, hint).response()

    @app.exception_handler(sqlite3.OperationalError)
    async def unread(_: Request, error: sqlite3.OperationalError) -> Response:
        if str(error) == "interrupted":
            hint = "give a shorter time range, or fewer records"
            refused = ApiError(503, "slow_query", "the query took too long", hint)
        else:
            text = f"the journal cannot be read: {error}"
            refused = ApiError(503, "storage", text, "see reasons of /health")
        refused.headers = {"Retry-After": "5"}
        return refused.response()

    @app.exception_handler(KeyReused)
    async def key_reused(_: Request, error: KeyReused) -> Response:
        hint = "give every batch its own key, and send a repeated batch without changes"
        return ApiError(409, "key_reused", str(error), hint).response()

    @app.exception_handler(NotJudged)
    async def not_judged(_: Request, error: NotJudged) -> Response:
        hint = "other batches are not affected; please report it with the log of the server"
        return ApiError(500, "not_judged", str(error), hint).response()

    @app.exception_handler(MissingExtraError)
    async def missing(_: Request, error: MissingExtraError) -> Response:
        return ApiError(415, "unsupported", str(error), error.hint).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        given = first.get("input")
        value = "" if given is None or isinstance(given, (dict, list)) else f"; given {given!r}"
        return ApiError(
            422, "invalid", f"{place}: {first['msg']}{value}", "see /docs for the allowed values"
        ).response()

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        message = str(error.detail)
        if error.status_code in (404, 405):
            message = f"there is no route {request.method} {request.url.path}"
        return ApiError(
            error.status_code,
            name,
            message,
            "see /docs for the routes",
            headers=dict(error.headers or {}),
        ).response()

    @app.exception_handler(Exception)
    async def internal(_: Request, error: Exception) -> Response:
        return ApiError(
            500,
            "internal",
            f"internal error: {type(error).__name__}",
            "the log of the server has the traceback; please report it",
        ).response()
