"""The API: pages of books with tags, a customer's orders, and changes by the staff."""

import sqlite3
from typing import Annotated

from cachelayer_starlette import CacheControl, cache_control, cached_view
from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel

from fastapi_shop.people import Connection, Customer, Staff

router = APIRouter(prefix="/api")
Caching = Annotated[CacheControl, Depends(cache_control())]
PAGE_SIZE = 2


class Book(BaseModel):
    """What a client sees of a book."""

    id: int
    title: str
    cents: int


class BookWithReviews(Book):
    """A book, and what people say of it."""

    reviews: list[str]


class BookPage(BaseModel):
    """Some of the books."""

    books: list[Book]
    pages: int


class Price(BaseModel):
    """A change that the staff makes."""

    cents: int


def find_book(connection: sqlite3.Connection, number: int) -> sqlite3.Row:
    """Return a book, or refuse."""
    found: sqlite3.Row | None = connection.execute("SELECT * FROM books WHERE id = ?", (number,)).fetchone()
    if found is None:
        raise HTTPException(404, "no such book")
    return found


# shared=True: what a view answers depends on nothing but its URL and its arguments, so those who have logged in get it
# from the cache too. A connection has no identity that a key could be made of, and nothing depends on which one it is.
@router.get("/books")
@cached_view(ttl="10m", tags=["books"], ignore=["connection"], shared=True)
def books(connection: Connection, page: Annotated[int, Query(ge=1)] = 1) -> BookPage:
    """List the books, some at a time."""
    (count,) = connection.execute("SELECT count(*) FROM books").fetchone()
    rows = connection.execute(
        "SELECT * FROM books ORDER BY id LIMIT ? OFFSET ?", (PAGE_SIZE, (page - 1) * PAGE_SIZE)
    )
    return BookPage(books=[Book(**row) for row in rows], pages=-(-count // PAGE_SIZE))


@router.get("/books/{number}")
@cached_view(ttl="10m", tags=["book:{number}"], ignore=["connection"], shared=True)
def book(number: int, connection: Connection) -> BookWithReviews:
    """Show one book."""
    reviews = connection.execute("SELECT text FROM reviews WHERE book = ? ORDER BY id", (number,))
    return BookWithReviews(**find_book(connection, number), reviews=[row["text"] for row in reviews])


@router.get("/orders")
@cached_view(ttl="10m", tags=["orders:{person.id}"], ignore=["connection"], shared=True)
def orders(person: Customer, connection: Connection) -> list[Book]:
    """List a customer's orders: who asks is an argument, and so part of the key."""
    rows = connection.execute(
        "SELECT books.* FROM orders JOIN books ON books.id = book WHERE person = ? ORDER BY orders.id",
        (person.id,),
    )
    return [Book(**row) for row in rows]


@router.post("/orders/{number}", status_code=201)
def order(number: int, person: Customer, connection: Connection, caching: Caching) -> Book:
    """Order a book."""
    found = find_book(connection, number)
    connection.execute("INSERT INTO orders (person, book) VALUES (?, ?)", (person.id, number))
    connection.commit()
    caching.invalidate(f"orders:{person.id}")
    return Book(**found)


@router.patch("/books/{number}")
def reprice(number: int, price: Price, person: Staff, connection: Connection, caching: Caching) -> Book:
    """Change a price, and purge every page that shows it."""
    find_book(connection, number)
    connection.execute("UPDATE books SET cents = ? WHERE id = ?", (price.cents, number))
    connection.commit()  # first: a page that is made before it would be made of the old price
    caching.invalidate("books", f"book:{number}")
    return Book(**find_book(connection, number))
