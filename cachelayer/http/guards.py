"""Who may be given a shared response: Authorization (RFC 9111, section 3.5) and cookies, which no standard guards.

The same guard stands before storing and before reuse: a stored answer is given to a request only if that request could
have stored it. "What is unkeyed is not reused."
"""

from __future__ import annotations

from cachelayer.http.cookies import request_cookies
from cachelayer.http.messages import FieldLines
from cachelayer.http.policy import Policy
from cachelayer.http.reasons import Reason
from cachelayer.http.rules import Rule


def guard(
    fields: FieldLines, rule: Rule | None, policy: Policy, *, authorized: bool, shared: bool, explicit: bool
) -> Reason | None:
    """Return why a response must not be shared with a request, or None.

    Args:
        fields: the request's Authorization and Cookie lines, among others.
        rule: the rule the request's key was made by.
        policy: says which cookies are harmless and which identify a user.
        authorized: the response has `public`, `s-maxage` or `must-revalidate`.
        shared: the response has `public` or `s-maxage`.
        explicit: its freshness is its own.
    """
    if not authorized and b"authorization" in fields:
        return Reason.AUTHORIZATION
    # The common case first: nothing to look at.
    if (explicit and shared) or b"cookie" not in fields:
        return None
    keyed = None if rule is None else rule.keyed_cookies
    names = [name for name, _ in request_cookies(fields[b"cookie"]) if not policy.ignored.fullmatch(name)]
    unkeyed = [name for name in names if keyed is None or name not in keyed]
    if not shared and any(map(policy.session.fullmatch, unkeyed)):
        return Reason.SESSION_COOKIE
    return Reason.COOKIE if unkeyed and keyed is None and not explicit else None
