"""Server-sent events: changes of incidents as they happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from mad.api.auth import Principal
from mad.api.errors import ApiError
from mad.api.service import Service, principal_of, rfc3339, service_of

router = APIRouter(prefix="/v1", tags=["Event stream"])

Change = tuple[int, int, str]
#: A place that no change has. Its text is the time up to which rows are judged.
STEP = (-1, -1)
#: Most changes that a reader may lag behind, most streams, and seconds between keep-alive comments.
MAX_LAG = 1_000
MAX_STREAMS = 200
KEEP_ALIVE_SECONDS = 15.0
_PAGE = 500


class EventStreams:
    """The open event streams. The engine's thread hands changes to their event loops."""

    def __init__(self) -> None:
        self._queues: dict[
            asyncio.Queue[Change | None], tuple[asyncio.AbstractEventLoop, Principal]
        ] = {}

    def __len__(self) -> int:
        return len(self._queues)

    def publish(self, changes: list[Change]) -> None:
        """Hands changes to every stream. The engine's thread calls this."""
        for queue, (loop, _) in list(self._queues.items()):
            loop.call_soon_threadsafe(self._enqueue, queue, changes)

    def publish_step(self, watermark: int) -> None:
        """Says to every stream that steps were closed. The engine's thread calls this."""
        self.publish([(*STEP, str(rfc3339(watermark)))])

    def open_queue(self, reader: Principal) -> asyncio.Queue[Change | None]:
        """Opens a queue of future changes for a client; None in it ends the stream, for example
        because this reader was too slow.

        Raises `ApiError` when there are too many streams.
        """
        if len(self._queues) >= MAX_STREAMS:
            raise ApiError(
                503,
                "busy",
                f"all {MAX_STREAMS} event streams are in use",
                "try again in half a minute",
                headers={"Retry-After": "30"},
            )
        queue: asyncio.Queue[Change | None] = asyncio.Queue(MAX_LAG)
        self._queues[queue] = asyncio.get_running_loop(), reader
        return queue

    def close_queue(self, queue: asyncio.Queue[Change | None]) -> None:
        """Removes the queue of a reader that left."""
        self._queues.pop(queue, None)

    def close(self, *, except_for: frozenset[Principal] = frozenset()) -> None:
        """Ends the streams of all clients except some, because the server stops or their tokens are
        no longer valid."""
        for queue, (loop, reader) in list(self._queues.items()):
            if reader not in except_for:
                loop.call_soon_threadsafe(self._enqueue, queue, [None])

    @staticmethod
    def _enqueue(queue: asyncio.Queue[Change | None], changes: Sequence[Change | None]) -> None:
        for change in changes:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
                return
            queue.put_nowait(change)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
    summary="Follow changes of incidents",
)
async def stream(
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> StreamingResponse:
    """Changes of incidents as server-sent events: `opened`, `updated`, `acknowledged`, `closed`.
    An event `level` is a new level of a signal that became normal: `level_accepted`.
    An event `step` has the time up to which rows are judged. It is sent when a step closes, and has
    no id.

    A client that reconnects with `Last-Event-ID` first receives the changes that it missed.
    """
    place = _place(last_event_id)
    streams: EventStreams = request.app.state.streams
    queue = streams.open_queue(principal_of(request))
    events = _events(service_of(request), streams, queue, place)
    return StreamingResponse(
        events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def _place(last_event_id: str | None) -> tuple[int, int] | None:
    if not last_event_id:
        return None
    seq, _, position = last_event_id.partition(".")
    digits = seq + position
    if not (digits.isascii() and digits.isdigit()) or not position or len(last_event_id) > 36:
        raise ApiError(422, "invalid", f"Last-Event-ID = {last_event_id!r}", "such as 17.0")
    return min(int(seq), 2**62), min(int(position), 2**62)


async def _events(
    service: Service,
    streams: EventStreams,
    queue: asyncio.Queue[Change | None],
    place: tuple[int, int] | None,
) -> AsyncIterator[str]:
    try:
        yield "retry: 2000\n: mad\n\n"
        while place is not None:
            missed = await run_in_threadpool(service.reader.changes_after, *place, _PAGE)
            for change in missed:
                place = change[0], change[1]
                yield _event(change)
            if len(missed) < _PAGE and not missed.is_cut:
                break
        while True:
            try:
                next_one: Change | None = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
            except asyncio.TimeoutError:
                yield ": still here\n\n"
                continue
            if next_one is None:
                return
            if next_one[:2] == STEP:
                yield f'event: step\ndata: {{"watermark":"{next_one[2]}"}}\n\n'
            elif place is None or next_one[:2] > place:
                yield _event(next_one)
    finally:
        streams.close_queue(queue)


def _event(change: Change) -> str:
    seq, position, data = change
    event = "level" if json.loads(data)["change"] == "level_accepted" else "incident"
    return f"id: {seq}.{position}\nevent: {event}\ndata: {data}\n\n"
