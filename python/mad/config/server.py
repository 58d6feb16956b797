"""Settings of the server: the table `[server]` of a settings file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

from mad.config.numbers import read_numbers
from mad.config.options import option
from mad.config.secret import Secret

_MIB = 1024 * 1024


def _count(default: int, help: str = "") -> int:
    value: int = option(default, help=help, least=1, most=2**40)
    return value


@dataclass(frozen=True, slots=True)
class Retention:
    """The most rows of each table, and the most bytes of the whole journal; a checkpoint deletes
    the oldest beyond it.

    A row of requests takes about 1 kB on disk with its indexes, a point 10 to 100 bytes, a log line
    200 bytes and its text, an incident 20 to 60 kB.
    """

    rows: int = _count(1_000_000)
    services: int = _count(1_000_000)
    points: int = _count(1_000_000)
    log_lines: int = _count(500_000)
    failures: int = _count(200_000)
    incidents: int = _count(5_000)
    history: int = _count(100_000)
    batches: int = _count(200_000)
    audit: int = _count(100_000)
    alerts: int = _count(20_000)
    #: Bytes of the database, without free pages. The largest tables are cut first.
    bytes: int = _count(8 * 1024**3)

    @classmethod
    def parse(cls, given: Iterable[str], base: Retention | None = None) -> Retention:
        """Reads arguments such as `rows=50000` over `base` (the defaults).

        Raises `UsageError` for an unknown table and for a number that is not a positive integer.
        """
        base = base or cls()
        return replace(base, **read_numbers("--retain", given, asdict(base)))


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of the HTTP server: sizes in bytes, times in seconds, and numbers of connections."""

    #: Open connections, of all clients and of one address. The connection that has waited longest
    #: for its request is closed in favour of a new one.
    connections: int = _count(1_000)
    connections_per_client: int = _count(500)
    #: Bytes and number of the headers of one request, the request line included.
    header_bytes: int = _count(32 * 1024)
    header_count: int = _count(100)
    #: Time from the start of a connection or request to the end of its headers.
    header_seconds: int = _count(10)
    #: Time between two requests of one connection.
    idle_seconds: int = _count(30)
    #: Body of a batch, as sent and decompressed; body of any other request.
    body_bytes: int = _count(32 * _MIB)
    command_bytes: int = _count(128 * 1024)
    #: Time for a whole body, and longest pause within it.
    body_seconds: int = _count(60)
    stall_seconds: int = _count(10)
    #: Bodies in memory, of all clients and of one address, until their batches are answered.
    bodies_bytes: int = _count(128 * _MIB)
    bodies_bytes_per_client: int = _count(96 * _MIB)
    #: Size of one answer to a query. The rest is on the next page.
    answer_bytes: int = _count(8 * _MIB)
    #: Answers that wait for clients to read them. Beyond it queries are refused.
    answers_bytes: int = _count(64 * _MIB)
    #: Time in which a client has to read a part of its answer.
    write_seconds: int = _count(20)
    #: Queries that run at once, and queries that wait for their turn.
    queries: int = _count(4)
    waiting_queries: int = _count(64)

    @classmethod
    def parse(
        cls, given: Iterable[str], max_body: int | None = None, base: HttpLimits | None = None
    ) -> HttpLimits:
        """Reads arguments such as `header_seconds=20` over `base` (the defaults); `max_body` sets
        `body_bytes`.

        Raises `UsageError` for an unknown limit and for a number that is not a positive integer.
        """
        base = base or cls()
        limits = replace(base, **read_numbers("--http-limit", given, asdict(base)))
        if max_body is not None:
            limits = replace(limits, body_bytes=max_body)
        # One body of the largest size has to fit, as sent and decompressed.
        least = 2 * limits.body_bytes
        return replace(
            limits,
            bodies_bytes=max(limits.bodies_bytes, least),
            bodies_bytes_per_client=max(limits.bodies_bytes_per_client, least),
        )


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """The secrets of systems that sign their webhooks. Their requests need no token."""

    github: Secret | None = option(None, help="Secret of the webhook in GitHub")
    gitlab: Secret | None = option(None, help="Secret token of the webhook in GitLab")

    @property
    def signed(self) -> list[str]:
        """The systems that have a secret."""
        return [name for name in ("github", "gitlab") if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """Where the journal is kept besides the directory of the server."""

    url: str | None = option(
        None,
        help="PostgreSQL database in which every commit is before it is acknowledged, such as "
        "`postgresql://mad@db/mad`; without it there is none. `?sslmode=verify-full` encrypts",
        pattern=r"postgres(ql)?://\S+",
    )
    name: str = option(
        "default",
        help="Name of the journal in the database, in the schema `mad_NAME`: 1 to 40 of a-z, 0-9 "
        "and _; one server at a time writes it, and others with this name wait",
        pattern=r"[a-z0-9_]{1,40}",
    )
    password: Secret | None = option(
        None, help="Password; without it that of `PGPASSWORD` or of the password file"
    )
    lease_seconds: float = option(
        10.0,
        help="Time after which a server that no longer answers loses the journal to one that waits",
        least=1,
        most=3_600,
    )
    timeout_seconds: float = option(
        5.0,
        help="Time for a statement; large ones get a second more for each MiB and 1,000 rows",
        least=0.1,
        most=600,
    )

    def __post_init__(self) -> None:
        # the check of options finds one before the host
        if self.url is not None and "password" in parse_qs(urlsplit(self.url).query):
            raise ValueError(
                "the url has a password; put it into a variable or a file, and refer to it: "
                '`password = "env:NAME"` or `password = "file:PATH"`'
            )


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options of `mad serve`. Arguments of the command win over them."""

    host: str = option("127.0.0.1", help="Address to listen on")
    port: int = option(8000, help="Port; 0 selects a free one", least=0, most=65_535)
    otlp_grpc: int | None = option(
        None,
        help="Port for OpenTelemetry over gRPC at the same address, usually 4317; 0 selects a free "
        "one. Without it there is none",
        least=0,
        most=65_535,
    )
    data: str | None = option(None, help="Directory of the journal; without it `mad-data`")
    url: str | None = option(
        None,
        help="URL under which people reach the server, such as `https://mad.example.com`; messages "
        "link to it",
        pattern=r"https?://\S+",
    )
    token_file: str | None = option(
        None, help="File with lines of scopes, token and name: the same as `--token-file`"
    )
    read_only: bool = option(False, help="Answer queries, accept no data and no commands")
    ticks: bool = option(True, help="Advance event time while no data arrives")
    checkpoint_seconds: float = option(
        60.0, help="Pause between checkpoints of the state", least=0.1, most=86_400
    )
    journal: JournalOptions = field(default_factory=JournalOptions)
    retain: Retention = field(default_factory=Retention)
    http: HttpLimits = field(default_factory=HttpLimits)
    webhooks: WebhookSecrets = field(default_factory=WebhookSecrets)
