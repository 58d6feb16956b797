"""`mad serve`: the live service."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from mad import errors
from mad.cli import arguments, settings
from mad.cli.demo_shop import demo_shop_of
from mad.cli.listening import bound, is_loopback, shown, standing_by
from mad.cli.serve_options import server_options
from mad.cli.termination import Termination
from mad.config.server import ServerOptions

if TYPE_CHECKING:
    import uvicorn

    from mad.api import Tokens
    from mad.api.app import Application
    from mad.api.grpc_server import GrpcReceiver
    from mad.cli.demo_shop import DemoShop
    from mad.engine import Engine
    from mad.engine.sink_runner import SinkPool
    from mad.engine.source_runner import SourcePool
    from mad.explainers import ExplainQueue

#: Longest time that a thread keeps the interpreter while another one waits, in seconds.
SWITCH_SECONDS = 0.0005

EPILOG = """\
examples:
  curl -s localhost:8000/health
  curl -s localhost:8000/v1/ingest/requests -H 'Content-Type: text/csv' --data-binary @requests.csv
  curl -s 'localhost:8000/v1/query/incidents?active=true'
  curl -s localhost:8000/culprit
  curl -sN localhost:8000/v1/stream
"""


HELP = "run the live service: telemetry in over HTTP, incidents out"
DESCRIPTION = (
    "Accepts requests, spans, logs, metrics and changes over HTTP, journals them,\n"
    "judges them as they arrive, and reports incidents, culprits and explanations.\n"
    "Acknowledged data survives a crash. Arguments win over the table [server] of the settings."
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of the command."""
    command.add_argument(
        "--host", metavar="ADDRESS", help="address to listen on (default: 127.0.0.1)"
    )
    command.add_argument(
        "--port",
        type=arguments.whole(0, 65_535),
        metavar="N",
        help="port (default: 8000); 0 selects a free one",
    )
    command.add_argument(
        "--otlp-grpc",
        type=arguments.whole(0, 65_535),
        metavar="N",
        help="port for OpenTelemetry over gRPC, usually 4317 (default: none; HTTP needs no option)",
    )
    command.add_argument(
        "--data",
        metavar="DIR",
        help="directory of the journal (default: mad-data; with --demo a temporary one)",
    )
    command.add_argument(
        "--journal",
        metavar="URL",
        help="PostgreSQL database that has each commit before it is acknowledged, such as "
        "postgresql://mad@db/mad; the password is in PGPASSWORD, or see docs/scale-postgres.md",
    )
    command.add_argument(
        "--name",
        metavar="NAME",
        help="name of the journal in PostgreSQL (default: default); a second server with this name "
        "waits and takes over",
    )
    settings.add_config(command)
    command.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with lines of scopes (read,ingest,admin), token and name; SIGHUP reads it again",
    )
    command.add_argument(
        "--read-only", action="store_true", help="answer queries, accept no data and no commands"
    )
    command.add_argument(
        "--retain",
        action="append",
        default=[],
        metavar="TABLE=N",
        help="most rows of a table, such as rows=50000, or bytes=N of the journal; repeatable",
    )
    command.add_argument(
        "--max-body",
        type=arguments.whole(1, 1_024),
        metavar="MIB",
        help="largest batch (default: 32 MiB)",
    )
    command.add_argument(
        "--http-limit",
        action="append",
        default=[],
        metavar="NAME=N",
        help="limit of the HTTP server, such as header_seconds=20; repeatable (docs/service.md)",
    )
    command.add_argument(
        "--checkpoint-seconds",
        type=float,
        metavar="S",
        help="pause between checkpoints of the state (default: 60)",
    )
    command.add_argument(
        "--no-ticks", action="store_true", help="do not advance event time while no data arrives"
    )
    command.add_argument(
        "--fresh", action="store_true", help="delete the learnt state; incidents and rows are kept"
    )
    command.add_argument(
        "--recover",
        action="store_true",
        help="continue with all that is sound in a damaged journal; the damaged files are kept",
    )
    command.add_argument(
        "--demo",
        action="store_true",
        help="also start a shop of real services with a failure, and name the culprit",
    )
    command.add_argument(
        "--scenario",
        default="slow-payment",
        metavar="NAME",
        help="scenario of the demo: slow-payment (default), failing-inventory, cascade, all",
    )
    command.add_argument(
        "--accelerate",
        type=float,
        default=20.0,
        metavar="X",
        help="speed of event time in the demo (default: 20)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the service until it receives a termination signal."""
    termination = Termination()
    with termination.handled(), contextlib.ExitStack() as ending, termination.starting():
        engine = _run(args, termination, ending)
    return errors.FINE if not engine.failure else errors.INTERNAL


def _run(
    args: argparse.Namespace, termination: Termination, ending: contextlib.ExitStack
) -> Engine:
    """Runs the service. What `ending` holds ends it in order."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise errors.MissingExtraError(
            f"the service needs {error.name}", "pip install 'mad-py[serve]'"
        ) from error
    from mad.api import Tokens
    from mad.api.process import return_memory, within_open_files
    from mad.engine import Engine
    from mad.engine.sink_runner import SinkPool, routes_of
    from mad.engine.source_runner import SourcePool
    from mad.explainers import ExplainQueue, LlmExplainer
    from mad.journal import Journal, Mirror, recover
    from mad.journal.reader import Reader

    for option in ("config", "data", "token_file"):
        if getattr(args, option) == "":
            name = option.replace("_", "-")
            raise errors.UsageError(f"--{name} is empty", "give a name, or leave the option out")
    deployment = settings.deployment(args.config, verbose=args.verbose)
    server = server_options(args, deployment.server)
    tokens = Tokens.read(Path(server.token_file)) if server.token_file is not None else None
    if tokens is None and not is_loopback(server.host):
        raise errors.UsageError(
            f"the address {server.host} is reachable from other machines without a token",
            "give --token-file FILE, or listen on 127.0.0.1",
        )
    return_memory()
    server = within_open_files(server)
    # The journal holds telemetry: only the user of the service may read its files.
    os.umask(0o077)
    demo_shop = demo_shop_of(args) if args.demo else None
    listening = ending.enter_context(bound(server.host, server.port))
    data = server.data or (ending.enter_context(_temporary()) if args.demo else "mad-data")
    mirror = None
    if server.journal.url is not None:
        with standing_by(listening):
            mirror = Mirror(server.journal, _say, Path(data))
    if args.recover:
        if mirror is not None:
            mirror.restore(Path(data), is_sound=False)
        _say(recover(Path(data)))
    journal = Journal(Path(data), retention=server.retain, mirror=mirror)
    _make_private(Path(data))
    engine = Engine(
        journal,
        deployment.core,
        checkpoint_seconds=server.checkpoint_seconds,
        ticking=server.ticks and not server.read_only,
        fresh=args.fresh,
        routes=routes_of(deployment.sinks),
        catalogue=deployment.explain.texts(),
    )
    ending.callback(engine.stop)
    engine.start()
    sources = SourcePool.of({} if server.read_only else deployment.sources, engine)
    ending.callback(sources.stop)
    url = server.url or f"http://{shown(server.host)}:{listening.getsockname()[1]}"
    sinks = SinkPool.of({} if server.read_only else deployment.sinks, engine, url)
    ending.callback(sinks.stop)
    explanations = None
    if deployment.explain.llm.enabled and not server.read_only:
        explainer = LlmExplainer(deployment.explain.llm)
        explanations = ExplainQueue(explainer, Reader(journal.path).incident)
        engine.listeners.append(explanations.hear)
        ending.callback(explanations.close)
    # The engine's thread needs the interpreter for short times, but without delay.
    sys.setswitchinterval(SWITCH_SECONDS)
    parts = engine, sources, sinks
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        _serve(
            server,
            parts,
            explanations,
            tokens,
            listening,
            demo_shop,
            termination,
            verbose=args.verbose,
        )
    sys.stderr.write("".join(f"mad: {one.text}\n" for one in engine.problems()))
    return engine


def _say(text: str) -> None:
    sys.stderr.write(f"mad: {text}\n")
    sys.stderr.flush()


def _serve(
    server: ServerOptions,
    parts: tuple[Engine, SourcePool, SinkPool],
    explanations: ExplainQueue | None,
    tokens: Tokens | None,
    listening: socket.socket,
    demo_shop: DemoShop | None,
    termination: Termination,
    *,
    verbose: bool,
) -> None:
    from mad.api import create_app

    engine, sources, sinks = parts
    features = engine.config["features"], engine.config["limits"]
    app = create_app(
        engine,
        tokens=tokens,
        read_only=server.read_only,
        limits=server.http,
        hosts=("localhost", "127.0.0.1", "[::1]", server.host) if tokens is None else (),
        naive_offset_seconds=engine.config["naive_offset_seconds"] or 0,
        retention_minutes=features[0]["step_seconds"] * features[1]["history_rows"] / 60,
        sources=sources,
        sinks=sinks,
        webhooks=server.webhooks,
        explanations=explanations,
    )
    sinks.start()
    engine.listeners.append(sinks.wake)
    sources.start()
    receiver = _grpc_receiver(server, engine, app)
    port = listening.getsockname()[1]
    figures = engine.stats
    lines = [
        f"mad listens on http://{shown(server.host)}:{port}; its journal is {engine.journal.path}",
        *([f"  its copy is {mirror.place}"] if (mirror := engine.journal.mirror) else []),
        f"  recovered {figures.recovered_entries} entries in {figures.recovery_seconds:.1f} s; the "
        f"start took {process_time():.1f} s of CPU time",
        f"  curl -s http://{shown(server.host)}:{port}/v1/query/incidents",
        f"  routes: http://{shown(server.host)}:{port}/docs",
        *([f"  OTLP over gRPC: {shown(server.host)}:{receiver.port}"] if receiver else []),
        *(f"  {problem.text}" for problem in engine.problems()),
    ]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    if tokens is not None:
        _reload_on_hangup(app, Path(str(server.token_file)))
    endings = [app.close] if demo_shop is None else [demo_shop.stop, app.close]
    running = server_of(app, endings, verbose=verbose)
    with contextlib.ExitStack() as ending:
        if receiver is not None:
            receiver.start()
            ending.callback(receiver.stop)
        if demo_shop is not None:
            url = f"http://{shown(server.host)}:{port}"
            ending.enter_context(demo_shop.beside(running, url))
        # an exception in the midst of the event loop would not end it in order
        with termination.serving(running.handle_exit):
            running.run(sockets=[listening])


def _grpc_receiver(server: ServerOptions, engine: Engine, app: Application) -> GrpcReceiver | None:
    """The receiver of OpenTelemetry over gRPC, where the options name its port."""
    if server.otlp_grpc is None or server.read_only:
        return None
    from mad.api.grpc_server import GrpcReceiver

    return GrpcReceiver(
        engine,
        server.host,
        server.otlp_grpc,
        tokens=lambda: app.tokens,
        body_bytes=server.http.body_bytes,
    )


def _make_private(directory: Path) -> None:
    """Takes the files of an older journal away from other users."""
    for file in directory.glob("mad.*"):
        with contextlib.suppress(OSError):
            file.chmod(0o600)


def _reload_on_hangup(app: Application, path: Path) -> None:
    """Reads the tokens again at SIGHUP. The present ones stay when the file has an error."""
    from mad.api import Tokens

    def reload(*_: object) -> None:
        try:
            app.replace_tokens(Tokens.read(path, again=True))
        except errors.UsageError as error:
            sys.stderr.write(f"mad keeps the present tokens: {error} ({error.hint})\n")
        else:
            sys.stderr.write(f"mad has read the tokens of {path} again\n")
        sys.stderr.flush()

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, reload)


def server_of(
    app: Application, endings: Sequence[Callable[[], None]], *, verbose: bool = False
) -> uvicorn.Server:
    """A uvicorn server that stops the demo and the event streams before it shuts down. Its signals
    are for the caller to pass on."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            # `Termination` has the signals
            yield

        def handle_exit(self, sig: int, frame: Any) -> None:
            for end in endings:
                end()
            super().handle_exit(sig, frame)

    return Server(
        uvicorn.Config(
            app,
            http=app.connections.protocol(),
            ws="none",
            timeout_keep_alive=app.connections.limits.idle_seconds,
            log_level="info" if verbose else "warning",
            access_log=verbose,
            timeout_graceful_shutdown=10,
            lifespan="on",
            server_header=False,
        )
    )


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="mad-demo-") as directory:
        yield directory
