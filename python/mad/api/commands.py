"""Routes that change state: acknowledge, resolve, comment, feedback, mute, accept, analyze."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from mad.api.errors import ApiError, not_found
from mad.api.service import Json, principal_of, query_time, raw, rfc3339, service_of
from mad.journal import AuditLine

BUSY: dict[int | str, dict[str, Any]] = {
    429: {"description": "Too many commands wait: retry after `Retry-After` seconds."}
}
router = APIRouter(prefix="/v1", tags=["Commands"], responses=BUSY)
#: Most accepted levels that a response lists.
_LEVELS = 1_000
_GONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such incident, or it is resolved."},
    409: {"description": "The status of the incident does not allow this."},
}

#: Most comments and feedback on one incident.
MOST_NOTES = 1_000
#: Bytes of one piece of a large answer.
_PIECE = 256 * 1024

IncidentId = Annotated[str, Path(max_length=64)]


class Note(BaseModel):
    """A comment on an incident."""

    model_config = ConfigDict(extra="forbid")
    text: str = Field(min_length=1, max_length=10_000)


class Feedback(BaseModel):
    """Feedback on an incident: useful, noise, or the wrong culprit."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["useful", "noise", "wrong_culprit"]
    text: str = Field(default="", max_length=10_000)


class Mute(BaseModel):
    """Patterns of services and endpoints whose incidents raise no alarm for a time; `*` matches
    any text."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(default="*", min_length=1, max_length=512)
    endpoint: str = Field(default="*", max_length=512)
    minutes: float | None = Field(default=None, gt=0, le=525_600)
    until: str | None = Field(default=None, max_length=64)
    reason: str = Field(default="", max_length=1_000)


class Unmute(BaseModel):
    """The patterns of a mute."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(default="*", min_length=1, max_length=512)
    endpoint: str = Field(default="*", max_length=512)


class Accept(BaseModel):
    """Patterns of the signals whose present level becomes normal; `*` matches any text."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(min_length=1, max_length=512)
    endpoint: str = Field(default="*", max_length=512)
    signal: str = Field(default="*", min_length=1, max_length=512)


@router.post(
    "/incidents/{incident}/acknowledge",
    responses=_GONE,
    summary="Acknowledge an incident",
)
async def acknowledge(request: Request, incident: IncidentId) -> Response:
    """Marks an incident as acknowledged."""
    return await _run_command(request, {"command": "acknowledge", "id": incident}, incident)


@router.post(
    "/incidents/{incident}/resolve",
    responses=_GONE,
    summary="Resolve an incident",
)
async def resolve(request: Request, incident: IncidentId) -> Response:
    """Marks an incident as resolved."""
    return await _run_command(request, {"command": "resolve", "id": incident}, incident)


@router.post(
    "/incidents/{incident}/comments",
    responses=_GONE,
    summary="Comment on an incident",
)
async def comment(
    request: Request, incident: IncidentId, note: Annotated[Note, Body()]
) -> Response:
    """Saves a comment on an incident."""
    return await _save_note(request, incident, "comment", note.text)


@router.post(
    "/incidents/{incident}/feedback",
    responses=_GONE,
    summary="Give feedback on an incident",
)
async def feedback(
    request: Request, incident: IncidentId, given: Annotated[Feedback, Body()]
) -> Response:
    """Saves feedback on an incident. The detector does not learn from it."""
    return await _save_note(request, incident, given.verdict, given.text)


@router.post(
    "/mutes",
    responses={422: {"description": "The mute ends before it starts."}},
    summary="Mute services and endpoints",
)
async def mute(request: Request, mute: Annotated[Mute, Body()]) -> Response:
    """Mutes matching services and endpoints for `minutes` of event time or `until` a time."""
    until = query_time(mute.until, "until")
    if (until is None) == (mute.minutes is None):
        raise ApiError(422, "invalid", "give either minutes or until", '{"minutes": 30}')
    at = service_of(request).engine.clock.now() or _wall_clock()
    end = until if until is not None else at + int((mute.minutes or 0) * 60e9)
    command = {"command": "mute", "service": mute.service, "endpoint": mute.endpoint, "at": at}
    return await _run_command(
        request,
        {**command, "until": end, "reason": mute.reason},
        f"{mute.service} {mute.endpoint}",
        until=rfc3339(end),
    )


@router.delete(
    "/mutes",
    responses={404: {"description": "No mute has these patterns."}},
    summary="End a mute",
)
async def unmute(request: Request, mute: Annotated[Unmute, Body()]) -> Response:
    """Ends the mutes with exactly these patterns."""
    command = {"command": "unmute", "service": mute.service, "endpoint": mute.endpoint}
    return await _run_command(request, command, f"{mute.service} {mute.endpoint}")


@router.post(
    "/levels/accept",
    responses={404: {"description": "No such signal is anomalous."}},
    summary="Accept a new level as normal",
)
async def accept(request: Request, level: Annotated[Accept, Body()]) -> Response:
    """Makes the present level of anomalous signals normal, such as an error rate that is known and
    stays."""
    command = {"command": "accept_level", **level.model_dump()}
    service = service_of(request)
    target = f"{level.service} {level.endpoint} {level.signal}"
    seq = await _done(request, command, target)
    found = await run_in_threadpool(service.reader.changes_after, seq, -1, _LEVELS)
    changes = [json.loads(data) for of, _, data in found if of == seq]
    levels = [one for one in changes if one["change"] == "level_accepted"]
    return Json({"done": "accept_level", "target": target, "seq": seq, "levels": levels})


@router.post(
    "/analyze",
    summary="Judge the present data now",
)
async def analyze(request: Request) -> Response:
    """Closes the steps that the elapsed time allows, judges them and returns the current
    culprits."""
    await analyse_now(request)
    service = service_of(request)
    culprits = await to_thread.run_sync(
        service.engine.pipeline.culprits, limiter=service.commanders
    )
    return raw(culprits)


@router.get(
    "/state",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
    summary="Download the state of the detector",
)
async def state(request: Request) -> Response:
    """The whole state in the form that `Pipeline.restore` takes. Needs the scope admin. One client
    at a time gets it, because it may be large."""
    service = service_of(request)
    if service.sends_state.locked():
        raise ApiError(
            503,
            "busy",
            "another client receives the state",
            "send it again after Retry-After seconds",
            headers={"Retry-After": "10"},
        )
    await service.sends_state.acquire()
    try:
        saved = await run_in_threadpool(service.engine.pipeline.checkpoint)
        line = AuditLine(principal_of(request).name, "state", outcome="sent")
        await asyncio.wrap_future(service.engine.write(lambda to: to.audit(line)))
    except BaseException:
        service.sends_state.release()
        raise
    return _StateResponse(saved, service.sends_state)


class _StateResponse(StreamingResponse):
    """A body in pieces, so that little of it waits for a slow client; ends with a lock released."""

    def __init__(self, body_bytes: bytes, held: asyncio.Lock) -> None:
        places = range(0, len(body_bytes), _PIECE)
        pieces = (body_bytes[start : start + _PIECE] for start in places)
        super().__init__(pieces, media_type="application/octet-stream")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the response. The lock is free before its last part, because a client that has
        received it may ask again."""
        is_held = True

        async def sent(message: Message) -> None:
            nonlocal is_held
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_held = False
                self._held.release()
            await send(message)

        try:
            await super().__call__(scope, receive, sent)
        finally:
            if is_held:
                self._held.release()


async def analyse_now(request: Request) -> None:
    """Advances the watermark to the present event time minus the allowed lateness."""
    engine = service_of(request).engine
    line, now = AuditLine(principal_of(request).name, "analyze"), engine.clock.now()
    if now is None:
        await asyncio.wrap_future(engine.write(lambda to: to.audit(line)))
    else:
        await asyncio.wrap_future(engine.tick(now - engine.clock.lateness, line))


async def _run_command(
    request: Request, command: dict[str, Any], target: str, **more: Any
) -> Response:
    seq = await _done(request, command, target)
    return Json({"done": command["command"], "target": target, "seq": seq, **more})


async def _done(request: Request, command: dict[str, Any], target: str) -> int:
    """Runs a command and returns its place in the journal. Its outcome is in the audit trail
    then."""
    line = AuditLine(principal_of(request).name, command["command"], target)
    try:
        receipt = await asyncio.wrap_future(service_of(request).engine.command(command, line))
    except KeyError as error:
        raise not_found(str(error.args[0]), "see /v1/query/incidents?active=true") from None
    except ValueError as error:
        raise ApiError(
            409, "refused", str(error), "see the status in /v1/query/incidents"
        ) from None
    return int(receipt.seq)


async def _save_note(request: Request, incident: str, kind: str, text: str) -> Response:
    service = service_of(request)
    read = service.reader.incident
    if await to_thread.run_sync(read, incident, limiter=service.commanders) is None:
        raise not_found(f"there is no incident {incident!r}", "see /v1/query/incidents")
    count = service.reader.note_count
    if await to_thread.run_sync(count, incident, limiter=service.commanders) >= MOST_NOTES:
        text = f"the incident has {MOST_NOTES} comments, which is the most"
        raise ApiError(409, "refused", text, "resolve the incident, or write elsewhere")
    who = principal_of(request).name
    write = service.engine.write(lambda to: to.note(incident, who, kind, text))
    is_new = await asyncio.wrap_future(write)
    return Json({"done": kind, "target": incident, "repeated": not is_new}, 201 if is_new else 200)


def _wall_clock() -> int:
    since = datetime.now(timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return since // timedelta(microseconds=1) * 1000
