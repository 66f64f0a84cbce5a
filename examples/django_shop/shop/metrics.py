"""The shop's own metrics."""

from collections import Counter

from django.http import HttpRequest, HttpResponse

#: Answers by status, hits of the cache among them.
answered: Counter[int] = Counter()


def count_requests(get_response):
    """Count what is answered."""

    def count(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        answered[response.status_code] += 1
        return response

    return count
