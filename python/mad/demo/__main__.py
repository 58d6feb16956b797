"""`python -m mad.demo URL`: runs the demo shop against a running server. Exits with 1 when mad
named a wrong culprit."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from mad import errors
from mad.demo.run import RATE, run
from mad.demo.scenarios import SCENARIOS

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Runs the demo to its end, or until Ctrl-C or a termination signal."""
    command = argparse.ArgumentParser(prog="python -m mad.demo", description=__doc__)
    command.add_argument("url", metavar="URL", help="mad server, such as http://127.0.0.1:8000")
    command.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="slow-payment")
    command.add_argument("--accelerate", type=float, default=20.0, metavar="X")
    command.add_argument("--rate", type=float, default=RATE, metavar="N", help="checkouts a minute")
    command.add_argument("--seed", type=int, default=0, metavar="N")
    command.add_argument("--keep", action="store_true", help="continue the traffic until stopped")
    args = command.parse_args()
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_listen, args=(os.getppid(), stop), daemon=True).start()
    try:
        outcomes = run(
            args.url,
            os.environ.get("MAD_TOKEN"),
            args.scenario,
            args.accelerate,
            rate=args.rate,
            seed=args.seed,
            keep=args.keep,
            say=lambda words: print(words, flush=True),
            stop=stop,
        )
    except ValueError as error:
        command.error(str(error))
    if stop.is_set() and not outcomes:
        return errors.INTERRUPTED
    return errors.FINE if all(outcome.correct for outcome in outcomes) else errors.FAILED


def _listen(parent: int, stop: threading.Event) -> None:
    """Stops at a signal, or when the parent process has ended; a second signal exits at once.

    This is a separate thread, because the interrupted code may hold the lock of `stop`.
    """
    while os.getppid() == parent and signal.sigtimedwait(SIGNALS, 1.0) is None:
        pass
    stop.set()
    signal.sigwait(SIGNALS)
    os._exit(errors.INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
