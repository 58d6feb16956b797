"""Documents of Elasticsearch and OpenSearch: the source type `elasticsearch`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

from mad.config.options import option
from mad.config.secret import Secret
from mad.sources.http_peer import HttpPeer, Refused
from mad.sources.payload import KINDS
from mad.sources.polled import PolledSource
from mad.sources.protocol import Batch, Positions, SourceUnavailable

#: Above this a time that sorts is in nanoseconds and not in milliseconds.
_MILLISECONDS = 10**15


@dataclass(frozen=True, kw_only=True)
class ElasticOptions:
    """What a source of the type `elasticsearch` reads."""

    url: str = option(help="Address, such as `https://elastic:9200`")
    index: str = option(help="Index, alias, data stream or pattern, such as `logs-*`")
    username: str = option("", help="User")
    password: Secret | None = option(None, help="Password; needs `username`")
    api_key: Secret | None = option(None, help="API key (encoded), in place of a user")
    ca_file: str = option("", help="File with the certificates of authorities")
    kind: str = option("requests", help="Kind of the records", pattern="|".join(KINDS))
    format: str = option("text", help="Format of the documents, one a line")
    partition: str = option("", help="Partition of the event time")
    time_field: str = option("@timestamp", help="Field with the time of a document")
    query: dict[str, str] = option({}, help="Fields and the values that documents need to have")
    tiebreaker: str = option(
        "", help="Field that orders documents of one time; empty: `_shard_doc` or `_id`"
    )
    start: str = option(
        "beginning",
        help="`beginning` or `end` of an index that is read for the first time",
        pattern="beginning|end",
    )
    delay_seconds: int = option(
        10, help="Age from which documents are read, so that none is missed", least=0, most=86_400
    )
    poll_seconds: float = option(5.0, help="Pause between two looks", least=0.05, most=3_600)
    batch_records: int = option(2_000, help="Documents of a page", least=1, most=10_000)


class ElasticSource(PolledSource):
    """Reads the documents of an index in the order of their times.

    Each look opens a point in time and pages through it. The position is the newest time with the
    ids of the documents of that time, so that no order beyond the time is needed.
    """

    Options = ElasticOptions

    def __init__(self, options: ElasticOptions) -> None:
        self.options = options
        self._peer = HttpPeer(
            options.url,
            username=options.username,
            password=options.password,
            token=options.api_key,
            scheme="ApiKey",
            ca_file=options.ca_file,
        )
        self._is_open = self._is_opensearch = False
        self._at: int | None = None
        self._ids: list[str] = []
        self._point = ""
        self._filter: dict[str, Any] = {}
        self._after: list[Any] | None = None

    def open(self, positions: Positions) -> None:
        """Finds out which product answers."""
        self.close()
        self._is_opensearch = self._look()
        stored = positions.get(self.options.index)
        if stored is not None:
            self._at, self._ids = stored["at"], list(stored["ids"])
        elif self.options.start == "end":
            self._at, self._ids = self._newest(), []
        self._is_open, self._due = True, monotonic()

    def lags(self) -> bool:
        """Nothing waits when `read` gives nothing."""
        return False

    def acknowledge(self, positions: Positions) -> None:
        """An index needs no acknowledgement."""

    def check(self) -> list[str]:
        """Asks for the index and for one document."""
        try:
            self._look()
            found = self._search({"size": 1, "sort": [self._by_time()]}, index=True)
        except SourceUnavailable as error:
            return [f"{error}; {error.hint}"]
        hits = found["hits"]["hits"]
        if not hits:
            return [f"{self.options.index} holds no document; check the name"]
        if not isinstance(hits[0]["sort"][0], int):
            return [
                f"{self.options.index}: the field {self.options.time_field} is no time; "
                "set time_field"
            ]
        return []

    def close(self) -> None:
        """Releases the point in time."""
        self._release()
        self._is_open = False
        self._at, self._ids = None, []

    def _look(self) -> bool:
        """Whether the peer is OpenSearch."""
        found = self._peer.get("/")
        version = found.get("version", {}) if isinstance(found, Mapping) else {}
        if "number" not in version:
            raise SourceUnavailable(
                f"{self.options.url} is neither Elasticsearch nor OpenSearch", "check url"
            )
        return version.get("distribution") == "opensearch"

    def _by_time(self, order: str = "asc") -> dict[str, Any]:
        return {self.options.time_field: {"order": order}}

    def _newest(self) -> int | None:
        found = self._search({"size": 1, "sort": [self._by_time("desc")]}, index=True)
        hits = found["hits"]["hits"]
        return _milliseconds(hits[0]["sort"][0]) + 1 if hits else None

    def _page(self) -> Batch | None:
        """The next documents."""
        if not self._is_open:
            raise SourceUnavailable("the source is not open")
        hits = self._hits()
        return self._batch(hits) if hits else None

    def _pause(self) -> float:
        return self.options.poll_seconds

    def _hits(self) -> list[Any]:
        if not self._point:
            self._point, self._filter = self._open_point(), self._query()
        tiebreaker = self.options.tiebreaker or ("_id" if self._is_opensearch else "_shard_doc")
        body: dict[str, Any] = {
            "size": self.options.batch_records,
            "sort": [self._by_time(), {tiebreaker: "asc"}],
            "query": self._filter,
            "pit": {"id": self._point, "keep_alive": "2m"},
            "track_total_hits": False,
        }
        if self._after is not None:
            body["search_after"] = self._after
        try:
            found = self._search(body)
        except Refused as error:
            if error.status != 404:
                raise
            # The point in time has expired; the position holds.
            self._point, self._after = "", None
            return []
        if found.get("timed_out") or found.get("_shards", {}).get("failed"):
            raise SourceUnavailable(
                f"{self.options.index}: some shards did not answer", "look at its health"
            )
        hits: list[Any] = found["hits"]["hits"]
        self._point = found.get("pit_id", self._point)
        if len(hits) < self.options.batch_records:
            self._release()
        else:
            self._after = hits[-1]["sort"]
        return hits

    def _query(self) -> dict[str, Any]:
        """The documents after the position, as old as the clock of the peer requires."""
        until = {"lt": f"now-{self.options.delay_seconds}s"}
        filters: list[Any] = [{"range": {self.options.time_field: until}}]
        filters += [{"term": {name: value}} for name, value in self.options.query.items()]
        query: dict[str, Any] = {"filter": filters}
        if self._at is not None:
            since = {"gte": self._at, "format": "epoch_millis"}
            filters.append({"range": {self.options.time_field: since}})
        if self._ids:
            query["must_not"] = [{"ids": {"values": self._ids}}]
        return {"bool": query}

    def _batch(self, hits: list[Any]) -> Batch:
        at = _milliseconds(hits[-1]["sort"][0])
        ids = [hit["_id"] for hit in hits if _milliseconds(hit["sort"][0]) == at]
        if at == self._at:
            ids = [*self._ids, *ids]
        self._at, self._ids = at, ids
        lines = [json.dumps(hit["_source"], ensure_ascii=False) for hit in hits]
        position = {"at": at, "ids": ids}
        return Batch(
            "\n".join(lines).encode("utf-8", "replace"),
            {self.options.index: position},
            self.options.kind,
            self.options.format,
        )

    def _open_point(self) -> str:
        index = quote(self.options.index, safe="*,-.:_")
        path = f"/{index}/_pit" if not self._is_opensearch else f"/{index}/_search/point_in_time"
        found = self._peer.ask("POST", f"{path}?keep_alive=2m")
        return str(found.get("id") or found["pit_id"])

    def _release(self) -> None:
        point, self._point, self._after = self._point, "", None
        if not point:
            return
        with contextlib.suppress(SourceUnavailable):
            if self._is_opensearch:
                self._peer.ask("DELETE", "/_search/point_in_time", {"pit_id": [point]})
            else:
                self._peer.ask("DELETE", "/_pit", {"id": point})

    def _search(self, body: dict[str, Any], *, index: bool = False) -> Any:
        where = f"/{quote(self.options.index, safe='*,-.:_')}/_search" if index else "/_search"
        return self._peer.ask("POST", where, body)


def _milliseconds(at: Any) -> int:
    """A time as it sorts, in milliseconds since 1970."""
    if not isinstance(at, int):
        raise SourceUnavailable(f"a document has {at!r} as its time", "set time_field")
    return at // 10**6 if at > _MILLISECONDS else at
