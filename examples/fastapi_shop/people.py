"""Who is asking: sessions, the token against forged forms, and what endpoints need of both."""

import hmac
import secrets
import sqlite3
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Form, HTTPException, Request
from pydantic import BaseModel


class Person(BaseModel):
    """Who has logged in. As an argument of a cached view it is part of the key: no one gets another's page."""

    id: int
    name: str
    is_staff: bool


def connected(request: Request) -> Iterator[sqlite3.Connection]:
    """Give a connection for one request."""
    with request.app.state.database.connection() as connection:
        yield connection


def visitor(request: Request) -> Person | None:
    """Return who has logged in, or None."""
    found = request.session.get("person")
    return None if found is None else Person(**found)


def customer(person: Annotated[Person | None, Depends(visitor)]) -> Person:
    """Return who has logged in, or refuse."""
    if person is None:
        raise HTTPException(401, "log in first")
    return person


def staff(person: Annotated[Person, Depends(customer)]) -> Person:
    """Return who has logged in, if it is one of the staff."""
    if not person.is_staff:
        raise HTTPException(403, "for the staff only")
    return person


def form_token(request: Request) -> str:
    """Return the token that forms of this session must hold."""
    token: str = request.session.setdefault("token", secrets.token_urlsafe())
    return token


def checked_form(request: Request, token: Annotated[str, Form()]) -> None:
    """Refuse a form that was not made for this session."""
    if not hmac.compare_digest(token, request.session.get("token", "")):
        raise HTTPException(403, "this form is not yours")


Connection = Annotated[sqlite3.Connection, Depends(connected)]
Customer = Annotated[Person, Depends(customer)]
Staff = Annotated[Person, Depends(staff)]
Token = Annotated[str, Depends(form_token)]
