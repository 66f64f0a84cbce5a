"""The HTTP cache engine: RFC 9111 and its relatives as pure functions over frozen values.

It opens no socket, reads no clock and knows no store. A shell (`cachelayer.asgi`, `cachelayer.wsgi`) translates its
server's language into `Request` and `ResponseHead`, passes the time in, and does what the decisions say; the order of
calls is at the top of `cachelayer.http.engine`.
"""

from __future__ import annotations

from cachelayer.http.codec import Kept, decode_entry, encode_entry
from cachelayer.http.engine import (
    Admission,
    Update,
    Writes,
    admit,
    answer,
    answer_collapsed,
    answer_confirmed,
    answer_instead,
    answer_partial,
    complete,
    evaluate,
    forwarded_headers,
    plan_lookup,
    update,
    variant_of,
    writes,
)
from cachelayer.http.messages import (
    Answer,
    Entry,
    Headers,
    Instructions,
    Request,
    ResponseHead,
    StoredResponse,
    Variant,
    VariantIndex,
)
from cachelayer.http.partial import PartialResponse
from cachelayer.http.plan import Plan
from cachelayer.http.policy import Policy
from cachelayer.http.reasons import Reason
from cachelayer.http.reuse import Reuse
from cachelayer.http.rules import Rule

__all__ = [
    "Admission",
    "Answer",
    "Entry",
    "Headers",
    "Instructions",
    "Kept",
    "PartialResponse",
    "Plan",
    "Policy",
    "Reason",
    "Request",
    "ResponseHead",
    "Reuse",
    "Rule",
    "StoredResponse",
    "Update",
    "Variant",
    "VariantIndex",
    "Writes",
    "admit",
    "answer",
    "answer_collapsed",
    "answer_confirmed",
    "answer_instead",
    "answer_partial",
    "complete",
    "decode_entry",
    "encode_entry",
    "evaluate",
    "forwarded_headers",
    "plan_lookup",
    "update",
    "variant_of",
    "writes",
]
