"""Invalidations wait for the commit: what is computed before it is made of old data, and a rollback forgets nothing."""

import sqlite3

from cachelayer import cached, deferred_invalidation

database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
database.execute("INSERT INTO users VALUES (7, 'Ann')")
database.commit()


@cached(ttl="1h")
def user_name(user_id: int) -> str:
    """Return the user's name."""
    print("  asking the database")
    return str(database.execute("SELECT name FROM users WHERE id = ?", (user_id,)).fetchone()[0])


def rename(user_id: int, name: str) -> None:
    """Give the user another name, in a transaction."""
    with deferred_invalidation(), database:  # the transaction ends first
        database.execute("UPDATE users SET name = ? WHERE id = ?", (name, user_id))
        user_name.invalidate(user_id)
        if not name:
            raise ValueError("a user needs a name")


def main() -> None:
    """Rename a user, once as it should be and once not."""
    print(user_name(7))

    print("a transaction that is committed:")
    rename(7, "Bo")
    print(user_name(7))

    print("one that is rolled back:")
    try:
        rename(7, "")
    except ValueError as error:
        print(" ", error)
    print(user_name(7))


if __name__ == "__main__":
    main()
    database.close()
