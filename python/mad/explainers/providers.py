"""Requests and answers in the forms of OpenAI and compatible servers, Azure and Gemini."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from mad.config.explain import LlmOptions
from mad.config.secret import revealed
from mad.explainers.answer import Rejected
from mad.explainers.prompt import INSTRUCTIONS
from mad.sinks.http import Request


def url_of(options: LlmOptions, base: str) -> str:
    """The address of a request under the base URL."""
    base, model = base.rstrip("/"), quote(options.model, safe="")
    if options.provider == "azure":
        version = quote(options.api_version, safe="")
        return f"{base}/openai/deployments/{model}/chat/completions?api-version={version}"
    if options.provider == "gemini":
        return f"{base}/models/{model}:generateContent"
    return f"{base}/chat/completions"


def body_of(options: LlmOptions, message: str) -> dict[str, Any]:
    """The body of a request about the facts in `message`."""
    if options.provider == "gemini":
        return {
            "systemInstruction": {"parts": [{"text": INSTRUCTIONS}]},
            "contents": [{"role": "user", "parts": [{"text": message}]}],
            "generationConfig": {
                "temperature": 0,
                "maxOutputTokens": options.max_tokens,
                "responseMimeType": "application/json",
            },
        }
    body: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": message},
        ],
        "temperature": 0,
        "max_tokens": options.max_tokens,
        "response_format": {"type": "json_object"},
    }
    return body if options.provider == "azure" else {"model": options.model, **body}


def request_of(options: LlmOptions, message: str) -> Request:
    """The request about the facts in `message`. Raises `SecretMissing`."""
    key = revealed(options.key)
    headers = {"Content-Type": "application/json"}
    if key:
        names = {"azure": ("api-key", key), "gemini": ("x-goog-api-key", key)}
        name, value = names.get(options.provider, ("Authorization", f"Bearer {key}"))
        headers[name] = value
    return Request(
        url_of(options, revealed(options.url)),
        json.dumps(body_of(options, message), ensure_ascii=False).encode(),
        headers,
        timeout=options.timeout_seconds,
        ca_file=options.ca_file,
        secrets=(key,) if key else (),
    )


def text_of(options: LlmOptions, answer: str) -> str:
    """The text of the model in an answer of the API. Raises `Rejected`."""
    try:
        found = json.loads(answer)
        if options.provider == "gemini":
            parts = found["candidates"][0]["content"]["parts"]
            text = "".join(part["text"] for part in parts)
        else:
            text = found["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Rejected("the API answered in another form") from None
    if not isinstance(text, str):
        raise Rejected("the API answered without a text")
    return text
