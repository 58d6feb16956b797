"""Routes of changes: `/v1/changes`, and webhooks of other systems."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mad.api.bodies import read_body
from mad.api.commands import MOST_NOTES
from mad.api.errors import ApiError
from mad.api.ingest import REFUSALS, answer_of, share_of, submit
from mad.api.service import Json, Service, rfc3339, service_of
from mad.config.secret import Secret, SecretMissing
from mad.journal import Entry, Journal
from mad.sources.change_events import READERS, Change

router = APIRouter(prefix="/v1", tags=["Changes"], responses=REFUSALS)

#: Most bytes of the body of a webhook.
_MOST_BYTES = 4 * 1024 * 1024
_SMALLER = "let the sender put less into one delivery"
#: Longest identifier of a delivery; the hash of the body stands for a longer one.
_LONGEST_KEY = 100
#: Most alerts of one body that are read.
_MOST_ALERTS = 1_000
_JSON: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}
}
#: Service of all changes of a webhook, where its body names another one.
OfService = Annotated[str | None, Query(alias="service", min_length=1, max_length=512)]


class ChangeOfService(BaseModel):
    """A change: a deployment, a feature flag, a setting, or any other kind."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(min_length=1, max_length=512)
    kind: str = Field(default="deploy", min_length=1, max_length=64)
    version: str | None = Field(default=None, max_length=200)
    name: str | None = Field(default=None, max_length=200)
    timestamp: str | None = Field(
        default=None, max_length=64, description="RFC 3339; without it the present event time"
    )


@router.post(
    "/changes",
    summary="Record a change",
)
async def record_change(request: Request, change: ChangeOfService) -> Response:
    """Records a change of a service, such as a deployment, now or at a given time. It is evidence
    for the culprit of incidents that start after it."""
    given = change.model_dump(exclude_none=True)
    return await _taken(request, [given], None)


@router.post(
    "/webhooks/alertmanager",
    openapi_extra=_JSON,
    summary="Receive alerts of Alertmanager",
)
async def alertmanager(request: Request) -> Response:
    """A notification of Prometheus Alertmanager (version 4). Each alert with a label `service` is
    kept as a comment on the open incidents of this service. Alerts of mad itself are ignored."""
    alerts = (await _body(request))[1].get("alerts")
    if not isinstance(alerts, list) or len(alerts) > _MOST_ALERTS:
        raise _unreadable(f"alerts is no list of at most {_MOST_ALERTS} alerts")
    comments = 0
    for alert in alerts:
        labels = alert.get("labels") if isinstance(alert, dict) else None
        if not isinstance(labels, dict):
            raise _unreadable("an alert has no labels")
        service = labels.get("service")
        if isinstance(service, str) and not str(labels.get("alertname")).startswith("Mad"):
            comments += await _comment(service_of(request), service, alert)
    return Json({"alerts": len(alerts), "comments": comments})


@router.post(
    "/webhooks/{system}",
    openapi_extra=_JSON,
    summary="Receive a webhook of another system",
)
async def webhook(
    request: Request,
    system: Literal["github", "gitlab", "argocd", "kubernetes"],
    service: OfService = None,
) -> Response:
    """A webhook of GitHub (deployment statuses), GitLab (deployments, feature flags), Argo CD
    (notifications) or Kubernetes (events). A delivery that is sent again counts once."""
    received, body = await _body(request)
    headers = request.headers
    event = headers.get("x-github-event") or headers.get("x-gitlab-event") or ""
    try:
        found = READERS[system](body, event)
    except (ValueError, TypeError, AttributeError) as error:
        raise _unreadable(str(error)) from None
    if not found:
        return Json({"accepted": 0, "rejected": 0, "ignored": True})
    if service is not None:
        found = [{**one, "service": service} for one in found]
    key = headers.get("x-github-delivery") or headers.get("x-gitlab-event-uuid")
    digest = hashlib.sha256(received).hexdigest()[:32]
    name = key if key and len(key) <= _LONGEST_KEY else digest
    return await _taken(request, found, f"{system}-{name}")


async def _taken(request: Request, changes: list[Change], key: str | None) -> Response:
    """Passes changes to the engine."""
    engine = service_of(request).engine
    now = rfc3339(engine.present())
    lines = [json.dumps({"timestamp": now, **one}) for one in changes]
    batch = Entry("changes", "\n".join(lines).encode(), batch_id=key)
    return Json(answer_of(request, batch, await submit(request, batch)))


async def _body(request: Request) -> tuple[bytes, dict[str, Any]]:
    """The body of a request whose signature is right, and its JSON object."""
    with share_of(request) as share:
        received = await read_body(request, _MOST_BYTES, share, _SMALLER)
        _verify(request, received)
        try:
            body = json.loads(received)
        except (ValueError, RecursionError):
            raise _unreadable("the body is not JSON") from None
    if not isinstance(body, dict):
        raise _unreadable("the body is no JSON object")
    return received, body


def _verify(request: Request, body: bytes) -> None:
    """Checks the signature of GitHub or the token of GitLab, if the settings have its secret."""
    # The path that was routed: `request.url` is made from the Host header too.
    system = str(request.scope["path"]).rpartition("/")[2]
    secrets = service_of(request).webhooks
    secret: Secret | None = getattr(secrets, system, None)
    if secret is None:
        return
    try:
        key = secret.value()
    except SecretMissing as error:
        raise ApiError(503, "not_ready", f"the secret of the webhook is missing: {error}") from None
    if system == "github":
        expected = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        given = request.headers.get("x-hub-signature-256", "")
    else:
        expected, given = key, request.headers.get("x-gitlab-token", "")
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise ApiError(
            401,
            "bad_signature",
            "the signature or token of the webhook is wrong or missing",
            f"give {system} the secret of server.webhooks.{system}",
        )


async def _comment(service: Service, name: str, alert: dict[str, Any]) -> int:
    """Comments on the open incidents of a service; returns the number of new comments."""
    labels, notes = alert["labels"], alert.get("annotations")
    summary = notes.get("summary") if isinstance(notes, dict) else None
    text = f"alert {labels.get('alertname')} is {alert.get('status')}"
    if isinstance(alert.get("startsAt"), str):
        text += f" since {alert['startsAt']}"
    text = f"{text}: {summary}"[:1_000] if isinstance(summary, str) else text[:1_000]
    # JSON may have halves of characters, which are no text.
    text = text.encode("utf-8", "replace").decode()
    comments = 0
    for incident in await run_in_threadpool(service.reader.open_incidents, name):
        if await run_in_threadpool(service.reader.note_count, incident) < MOST_NOTES:
            write = service.engine.write(partial(_note, incident, text))
            comments += await asyncio.wrap_future(write)
    return comments


def _note(incident: str, text: str, journal: Journal) -> bool:
    return journal.note(incident, "alertmanager", "comment", text)


def _unreadable(why: str) -> ApiError:
    return ApiError(400, "unreadable", why, "no change was accepted")
