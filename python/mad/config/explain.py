"""Settings of explanations: the table `[explain]` of a settings file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mad.config.options import option
from mad.config.secret import Secret

if TYPE_CHECKING:
    from mad._core import Catalogue


@dataclass(frozen=True, kw_only=True)
class LlmOptions:
    """The options of `[explain.llm]`: a language model behind an HTTP API.

    >>> LlmOptions(url="http://127.0.0.1:11434/v1", model="llama3.1").provider
    'openai'
    """

    enabled: bool = option(
        False, help="Ask for every incident of `mad serve`; `mad explain --llm` asks without it"
    )
    provider: Literal["openai", "azure", "gemini"] = option(
        "openai", help="Form of the requests; `openai` is that of most servers"
    )
    url: str | Secret = option(
        "",
        help="Base URL: `https://api.openai.com/v1`, `https://NAME.openai.azure.com`, "
        "`https://generativelanguage.googleapis.com/v1beta`",
    )
    model: str = option("", help="Name of the model; for Azure that of the deployment")
    key: Secret | None = option(None, help="Key of the API")
    api_version: str = option("2024-10-21", help="Version of the API of Azure")
    timeout_seconds: float = option(20.0, help="Time for one answer", least=0.1, most=600)
    retries: int = option(2, help="Further attempts after a failure", least=0, most=10)
    requests_per_hour: int = option(
        60, help="Most requests within an hour, further attempts included", least=1, most=100_000
    )
    max_tokens: int = option(600, help="Most tokens of an answer", least=50, most=32_000)
    waiting: int = option(100, help="Incidents that wait for an answer", least=1, most=10_000)
    redact: tuple[str, ...] = option(
        (), help="Regular expressions of further texts that must not be sent"
    )
    ca_file: str | None = option(None, help="Certificates of the authority of the peer, as PEM")

    def __post_init__(self) -> None:
        for pattern in self.redact:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(
                    f"redact has {pattern!r}, which is no regular expression: {error}"
                ) from None
        if bool(self.url) != bool(self.model):
            missing = "model" if self.url else "url"
            raise ValueError(f"{missing} is missing; url and model are given together")
        if self.enabled and not self.is_set:
            raise ValueError("enabled is true without a model; give url and model")

    @property
    def is_set(self) -> bool:
        """Whether a model is named."""
        return bool(self.url and self.model)


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """The options of `[explain]`."""

    language: str = option(
        "", help="Language of explanations: `en`, `de`, or that of `catalogue`; empty: English"
    )
    catalogue: str | None = option(None, help="File with the sentences in another language")
    llm: LlmOptions = field(default_factory=LlmOptions)

    def __post_init__(self) -> None:
        self.texts()

    def texts(self) -> Catalogue | None:
        """The catalogue of the language; None for English."""
        from mad.config.catalogue import chosen

        return chosen(self.language, self.catalogue)
