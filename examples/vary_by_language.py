"""`vary`: a result that depends on more than the arguments, such as the language of the request."""

from contextvars import ContextVar

from cachelayer import cached

language: ContextVar[str] = ContextVar("language")

GREETINGS = {"en": "hello", "no": "hei"}


class User:
    """A user, as a database might give it: a new object each time."""

    def __init__(self, number: int, name: str) -> None:
        self.number, self.name = number, name


@cached(ttl="1h", key="greeting:{user.number}", vary=language)
def greeting(user: User) -> str:
    """Return what to say to the user, in the language of the request."""
    print("  computing")
    return f"{GREETINGS[language.get()]} {user.name}"


def main() -> None:
    """Greet the same user in two languages, twice."""
    for _ in range(2):
        for code in ("en", "no"):
            language.set(code)
            print(greeting(User(7, "Ann")))


if __name__ == "__main__":
    main()
