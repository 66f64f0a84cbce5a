"""Clients of Django sites, in sync and in async code."""

import asyncio
from http.cookies import SimpleCookie

from django.test import AsyncClient, Client


class Answer:
    """What a client got, read to its end."""

    def __init__(self, response, body):
        self.response, self.body = response, body
        self.status, self.headers = response.status_code, response.headers

    @property
    def is_hit(self):
        """Whether the cache gave it."""
        return "; hit" in self.headers.get("cache-status", "")


class Browser:
    """A client of either colour."""

    def __init__(self, colour):
        self.colour = colour
        self.client = Client() if colour == "sync" else AsyncClient()

    def get(self, path, method="get", **headers):
        """Ask and read the whole body; a Cookie given here is sent this once."""
        kept = self.client.cookies
        if "Cookie" in headers:
            self.client.cookies = SimpleCookie(headers.pop("Cookie"))
        try:
            return self._ask(path, method, headers)
        finally:
            self.client.cookies = kept

    def _ask(self, path, method, headers):
        return (
            asyncio.run(self._aget(path, method, headers))
            if self.is_async
            else self._get(path, method, headers)
        )

    @property
    def own_stream(self):
        """The stream of this colour: Django warns of the other one."""
        return "/astream" if self.is_async else "/stream"

    @property
    def is_async(self):
        """Whether requests go through the async handler."""
        return isinstance(self.client, AsyncClient)

    def _get(self, path, method, headers):
        response = getattr(self.client, method)(path, headers=headers)
        body = b"".join(response) if response.streaming else response.content
        response.close()
        return Answer(response, body)

    async def _aget(self, path, method, headers):
        response = await getattr(self.client, method)(path, headers=headers)
        if not response.streaming:
            body = response.content
        elif response.is_async:
            body = b"".join([part async for part in response.streaming_content])
        else:
            body = b"".join(response.streaming_content)
        response.close()
        return Answer(response, body)
