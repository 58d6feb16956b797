"""Explanations of incidents by a language model, checked against the evidence, with those of the
templates where it fails.

It is off unless settings name a model. See docs/llm.md.
"""

from __future__ import annotations

from mad.config.explain import ExplainOptions, LlmOptions
from mad.explainers.answer import Answer, Rejected
from mad.explainers.llm import LlmExplainer
from mad.explainers.queue import ExplainQueue
from mad.explainers.redact import redacted

__all__ = [
    "Answer",
    "ExplainOptions",
    "ExplainQueue",
    "LlmExplainer",
    "LlmOptions",
    "Rejected",
    "redacted",
]
