"""Pages for people: HTML, sessions, forms."""

from html import escape
from typing import Annotated

from cachelayer_starlette import CacheControl, cache_control
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from fastapi_shop.database import find_person
from fastapi_shop.people import Connection, Customer, Token, checked_form

router = APIRouter(default_response_class=HTMLResponse)
Caching = Annotated[CacheControl, Depends(cache_control())]


def page(title: str, body: str) -> str:
    """Return a whole page."""
    return f"<!doctype html><title>{escape(title)}</title><h1>{escape(title)}</h1>{body}"


def form(action: str, token: str, fields: str) -> str:
    """Return a form that only this visitor can send."""
    hidden = f'<input type="hidden" name="token" value="{token}">'
    return f'<form method="post" action="{action}">{hidden}{fields}<button>Send</button></form>'


@router.get("/", dependencies=[Depends(cache_control(tags=["books"]))])
def home(connection: Connection) -> str:
    """Show the shop's window: a rule of the middleware says for how long it is kept."""
    titles = [row["title"] for row in connection.execute("SELECT title FROM books ORDER BY title")]
    return page("Bookshop", "".join(f"<li>{escape(title)}" for title in titles))


@router.get("/login")
def ask_login(token: Token) -> str:
    """Show the form: it holds a token, so it is this visitor's alone."""
    return page("Log in", form("/login", token, '<input name="name"><input name="password" type="password">'))


@router.post("/login", dependencies=[Depends(checked_form)])
def login(
    request: Request, connection: Connection, name: Annotated[str, Form()], password: Annotated[str, Form()]
) -> RedirectResponse:
    """Log somebody in."""
    person = find_person(connection, name, password)
    if person is None:
        raise HTTPException(403, "no such name and password")
    request.session.clear()
    request.session["person"] = {key: person[key] for key in ("id", "name", "is_staff")}
    return RedirectResponse("/account", 303)


@router.get("/account")
def account(person: Customer, connection: Connection) -> str:
    """Show a customer's own page. Nobody says that it must not be cached: it used the session, which says it."""
    (count,) = connection.execute("SELECT count(*) FROM orders WHERE person = ?", (person.id,)).fetchone()
    return page(f"Hello {person.name}", f"<p>You have ordered {count} books.")


@router.get("/review/{book}")
def ask_review(book: int, token: Token) -> str:
    """Show a form that holds a token: not stored either."""
    return page("Your review", form(f"/review/{book}", token, '<textarea name="text"></textarea>'))


@router.post("/review/{book}", dependencies=[Depends(checked_form)])
def review(
    book: int, text: Annotated[str, Form()], person: Customer, connection: Connection, caching: Caching
) -> RedirectResponse:
    """Take a review, and have the book's pages made anew."""
    connection.execute("INSERT INTO reviews (book, author, text) VALUES (?, ?, ?)", (book, person.name, text))
    connection.commit()
    caching.invalidate(f"book:{book}")
    return RedirectResponse(f"/api/books/{book}", 303)
