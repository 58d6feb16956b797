"""A read-only server of the Model Context Protocol over incidents and their evidence."""

from mad.mcp.protocol import serve
from mad.mcp.results import Directory, Remote, Results
from mad.mcp.tools import Tools

__all__ = ["Directory", "Remote", "Results", "Tools", "serve"]
