"""HTTP requests on their way through the cache: what the ASGI shell, the WSGI shell and the integrations share.

    found    = bound.find_here(request)   where the store is local; else bound.find(request), a flow
    passing  = bound.let_through(request) instead, where `lets_through(target)`: the response is most likely not to be
                                          stored. `start` with its head, and `take_up` where that gives None
    An `Answer` is sent. A `Behind` has one, and `begin(call)`, a flow that lets a fresh response be brought behind it.
    Else it is an `Exchange`: ask the application, and tell how that goes.
    exchange.prepare()                    a flow, or None. It may give an answer: another request has brought one
    exchange.conditions                   fields in place of the client's own conditions and Range, or None
    token    = exchange.enter()           and `leave(token)`: around the call, so that views can speak of their response
    headers  = exchange.start(head, env)  with the application's response head; gives the fields for the client
    exchange.due                          a flow, or None: before the head goes out
    exchange.replace()                    a flow, where `is_replaced`: gives the answer instead of the application's
    exchange.feed(data)                   with each part of the body; `take` where nothing says which is the last
    exchange.finish()                     a flow: the body has come to its regular end. Before its last part is sent
    exchange.rescue(error)                a flow, or None: where the application raised before its response began
    exchange.end(env, error)              in any case, however it went; gives a flow, or None

A shell translates its server's language and drives the flows. What is decided is decided here, or in `cachelayer.http`.
"""

from __future__ import annotations

from cachelayer.exchange.behind import Behind, Call
from cachelayer.exchange.caching import Caching, Options, Shell, option_names
from cachelayer.exchange.exchange import Exchange, Fetched
from cachelayer.exchange.labels import OBJECTION, PASSED, ROUTE, UNLABELLED, UNMATCHED, Route, make_label
from cachelayer.exchange.lookup import Bound
from cachelayer.exchange.passing import EXAMINED, Passing, Target
from cachelayer.exchange.shadow import Difference, ShadowReport

__all__ = [
    "EXAMINED",
    "OBJECTION",
    "PASSED",
    "ROUTE",
    "UNLABELLED",
    "UNMATCHED",
    "Behind",
    "Bound",
    "Caching",
    "Call",
    "Difference",
    "Exchange",
    "Fetched",
    "Options",
    "Passing",
    "Route",
    "ShadowReport",
    "Shell",
    "Target",
    "make_label",
    "option_names",
]
