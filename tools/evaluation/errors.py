"""The errors that end the evaluation, or one task of it, besides those of the command line.

tools.cli.ToolError   exit status 3
├── DataError         a labelled set is damaged; the service wasn't asked anything
├── ServiceError      the service isn't ready, or has changed its model meanwhile; there are no figures
└── AnswerError       an example got an error or no usable answer; the other tasks go on
"""

from __future__ import annotations

from tools.cli import ToolError


class DataError(ToolError):
    """A labelled set is damaged."""


class ServiceError(ToolError):
    """The service isn't ready, or has changed its model meanwhile."""


class AnswerError(ToolError):
    """An example got an error or no usable answer."""
