"""A read-only server of the Model Context Protocol over incidents and their evidence."""

from mad.cli.assistant.protocol import serve
from mad.cli.assistant.results import Directory, Remote, Results
from mad.cli.assistant.tools import Tools

__all__ = ["Directory", "Remote", "Results", "Tools", "serve"]
