"""A bookshop: what of it is cached, for whom, and what is never.

| page | who may see it | how it is cached |
|---|---|---|
| `/` | everybody | by a rule of the middleware, for those who have no session yet |
| `/api/books?page=1` | everybody | by `cached_view`, tag `books`; values go through the response model on hits too |
| `/api/books/1` | everybody | by `cached_view`: tag `book:1` |
| `/account`, `/login`, `/review/1` | one visitor | not at all: they use the session, or hold a token against forgery |
| `/api/orders` | one customer | by `cached_view` an entry for each customer: who asks is an argument |
| `/cache/` | the staff | the dashboard |

To serve it: uvicorn --factory fastapi_shop.app:create_app --app-dir examples
"""
