"""Bodies of other protocols: received, checked, and stored as they are with their format."""

from __future__ import annotations

import asyncio
import hashlib

from anyio import to_thread
from fastapi import Request

from mad.api.bodies import BodyShare, read_body, too_large, unpacked
from mad.api.errors import ApiError
from mad.api.ingest import MOST_KEY, printable, share_of
from mad.api.service import principal_of, service_of
from mad.engine import IngestReceipt
from mad.journal import Entry


async def take(request: Request, kind: str, form: str, partition: str) -> IngestReceipt | None:
    """Stores the body of a request and judges it; None for an empty body.

    These protocols have no idempotency key. The hash of the body stands for it: a sender that
    repeats a body after a lost response sends the same bytes, and times and ids make other bodies
    differ. A sender may give an `Idempotency-Key` all the same.

    Raises `ApiError`, and the errors of the engine.
    """
    with share_of(request) as share:
        service = service_of(request)
        with service.engine.arrivals.arriving():
            body = await _body(request, share)
        if body.strip() in (b"", b"{}"):
            return None
        key = request.headers.get("idempotency-key") or _key(body)
        if len(key) > MOST_KEY:
            text = f"the Idempotency-Key has more than {MOST_KEY} characters"
            raise ApiError(422, "invalid", text, "send a shorter key, or none")
        return await submit(request, Entry(kind, body, form, printable(partition), key))


async def submit(request: Request, batch: Entry) -> IngestReceipt:
    """Passes a batch to the engine and waits until it is on disk and judged."""
    source = "/".join(filter(None, (principal_of(request).name, batch.partition)))
    future = service_of(request).engine.submit(batch, source)
    try:
        return await asyncio.wrap_future(future)
    except ValueError as error:
        raise ApiError(400, "unreadable", str(error), "no record was accepted") from None


async def _body(request: Request, share: BodyShare) -> bytes:
    service = service_of(request)
    most = service.limits.body_bytes
    received = await read_body(request, most, share)
    coding = request.headers.get("content-encoding", "").strip().lower()
    # remote write names its compression here; the body is stored with it
    if coding == "snappy" and snappy_bytes(received) > most:
        raise too_large(most)
    if coding in ("", "identity", "snappy"):
        return received
    try:
        body = await to_thread.run_sync(unpacked, received, coding, most, limiter=service.decoders)
    except ApiError as error:
        service.engine.intake.unreadable(error.message)
        raise
    share.add(len(body))
    return body


def snappy_bytes(block: bytes) -> int:
    """The decompressed size that a block of Snappy begins with, as a variable-length integer."""
    size = 0
    for place, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    return size


def _key(body: bytes) -> str:
    return f"body:{hashlib.blake2b(body, digest_size=16).hexdigest()}"
