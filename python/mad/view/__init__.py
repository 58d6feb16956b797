"""The state of a fleet in the terminal: from a server, from a file, or from a replay."""

from mad.view.followed import FollowedFile
from mad.view.local import LocalFeed
from mad.view.records import TimedLines, lines_of, timed_lines
from mad.view.replay import Replay
from mad.view.server import ServerFeed
from mad.view.snapshot import EntityView, Feed, Snapshot

__all__ = [
    "EntityView",
    "Feed",
    "FollowedFile",
    "LocalFeed",
    "Replay",
    "ServerFeed",
    "Snapshot",
    "TimedLines",
    "lines_of",
    "timed_lines",
]
