"""Errors as answers: `{"error", "message", "hint"}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from mad.engine import Busy, StorageFailed
from mad.errors import MissingExtraError


class Refused(Exception):
    """An answer that is no success, with the way out."""

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
        """The answer."""
        return JSONResponse(
            {"error": self.error, "message": self.message, "hint": self.hint, **self.more},
            self.status,
            self.headers,
        )


def not_found(what: str, hint: str = "") -> Refused:
    """404."""
    return Refused(404, "not_found", what, hint)


def install(app: FastAPI) -> None:
    """Has every error of an application answered in one shape."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return error.response()

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> Response:
        return Refused(
            429,
            "busy",
            str(error),
            "send the batch again, with the same Idempotency-Key",
            headers={"Retry-After": str(error.retry_after)},
        ).response()

    @app.exception_handler(StorageFailed)
    async def storage(_: Request, error: StorageFailed) -> Response:
        return Refused(
            503,
            "storage",
            str(error),
            "nothing was taken; make room on the disk and send it again",
            headers={"Retry-After": str(error.retry_after)},
        ).response()

    @app.exception_handler(MissingExtraError)
    async def missing(_: Request, error: MissingExtraError) -> Response:
        return Refused(415, "unsupported", str(error), error.hint).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        given = first.get("input")
        told = "" if given is None or isinstance(given, (dict, list)) else f"; given {given!r}"
        return Refused(
            422, "invalid", f"{place}: {first['msg']}{told}", "see /docs for what is allowed"
        ).response()

    @app.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> Response:
        name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        hint = "see /docs for the routes" if error.status_code in (404, 405) else ""
        return Refused(
            error.status_code, name, str(error.detail), hint, headers=dict(error.headers or {})
        ).response()
