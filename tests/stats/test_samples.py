"""The closer look at some lookups: acceptance observability.md 2 and 9."""

import pytest

from cachelayer import Cache, InMemoryBackend, Outcome, cached
from cachelayer.stats import make_report, route_detail
from cachelayer.stats.routes import HITS_TO_A_SAMPLE, OTHERS_TO_A_SAMPLE, RouteCounters
from cachelayer.stats.samples import Samples
from cachelayer.testing import FakeClock

HIT, MISS = Outcome.HIT, Outcome.MISS


def sampled(urls, outcome=MISS, **more):
    """Return samples of these URLs."""
    samples = Samples("GET /")
    for url in urls:
        samples.note(outcome, 1, key=f"https://example.org{url}", at=1.0, **more)
    return samples


def avoidable(samples):
    """Return by name the share of the misses that would have been hits without it."""
    return {name: each.avoidable / samples.misses for (_, name), each in samples.varied.items()}


@pytest.mark.parametrize(("outcome", "every"), [(HIT, HITS_TO_A_SAMPLE), (MISS, OTHERS_TO_A_SAMPLE)])
def test_one_in_so_many_is_sampled(outcome, every):
    """`record` says which; the first is one of them [observability 2]."""
    counters = RouteCounters("r")
    told = [counters.record(outcome) for _ in range(10 * every)]
    assert told == [number % every == 0 for number in range(10 * every)]


def test_a_parameter_that_splits_the_cache_is_found():
    """Its misses had all been asked for before, but for its value; nobody else's had [observability 9]."""
    found = avoidable(sampled(f"/a?page={n % 5}&utm_source=s{n}" for n in range(100)))
    assert found["utm_source"] == pytest.approx(0.95)
    assert found["page"] == 0.0


def test_parameters_in_another_order_are_the_same():
    """What is left without the parameter is compared, whatever its order [observability 9]."""
    found = avoidable(sampled(["/a?x=1&y=2&t=1", "/a?y=2&x=1&t=2"]))
    assert found["t"] == 0.5


def test_values_are_counted_and_not_kept():
    """How many there are is estimated; none is anywhere [observability 2]."""
    samples = sampled(f"/a?token=secret{n}" for n in range(300))
    [split] = [each for (_, name), each in samples.varied.items() if name == "token"]
    assert 200 < split.bits.bit_count() <= 300
    assert "secret" not in repr(samples.varied) + repr(samples._remainders)


def test_a_header_that_splits_the_cache_is_found():
    """As parameters are [observability 9]."""
    samples = Samples("GET /")
    for number in range(50):
        samples.note(MISS, 1, key="https://h/", headers={"user-agent": f"browser {number}"})
    assert samples.varied["header", "user-agent"].avoidable == 49


def test_the_most_frequent_keys_are_found():
    """Among a thousand others, in bounded room [observability 2]."""
    samples = Samples("f")
    for number in range(3000):
        samples.note(HIT, 64, key="hot" if number % 3 == 0 else f"cold {number}")
    assert max(samples.keys, key=samples.keys.get) == "hot"
    assert samples.keys["hot"] >= 64_000
    assert len(samples.keys) <= 64


def test_everything_is_bounded():
    """Whatever clients make up [observability 2]."""
    samples = Samples("GET /")
    for number in range(5000):
        url = f"https://h/{number}?{'&'.join(f'p{number}_{place}=1' for place in range(30))}"
        samples.note(MISS, 16, key=url + "x" * 1000, cookies=[f"c{number}"], at=float(number))
    sizes = (samples.keys, samples.examples, samples.varied, samples._remainders, samples._seen)
    assert max(map(len, sizes)) <= 1000
    assert len(samples.varied) <= 41
    assert max(map(len, samples.keys)) <= 300


def test_a_functions_keys_have_no_parameters():
    """A question mark in them is part of a text [observability 9]."""
    samples = Samples("f")
    samples.note(MISS, 16, key="f(s3:a?b=1;)")
    assert samples.varied == {}


def test_gaps_between_lookups_of_a_key():
    """Of one lookup in 64 they are 64 times as long [observability 9]."""
    samples = Samples("f")
    for number in range(20):
        samples.note(HIT, 64, key="k", at=64.0 * number)
    _, gaps, _, _ = samples.counts()
    counters = RouteCounters("f")
    assert sum(gaps.values()) == 19
    assert len(gaps) == 1
    assert counters.snapshot().gap_buckets == {}


def test_what_was_computed_anew_and_had_not_changed():
    """Is counted, and at which age it had, otherwise [observability 9]."""
    counters = RouteCounters("f")
    for number in range(10):
        counters.samples.note_change(60.0, changed=number < 2)
    stats = counters.snapshot()
    assert (stats.unchanged, sum(stats.change_buckets.values())) == (8, 2)


def test_a_functions_hits_are_timed_one_in_64():
    """By reading once more what was read; so is their age taken [observability 1]."""
    clock = FakeClock()
    cache = Cache(InMemoryBackend(clock=clock))
    double = cached(cache=cache, ttl=600, name="double")(lambda number: {"value": number})
    double(1)
    clock.advance(30)
    for _ in range(640):
        double(1)
    stats = double.stats()
    assert (stats.hit, stats.hit_calls) == (640, 10)
    assert 0 < stats.hit_seconds < 1
    [(place, count)] = stats.age_buckets.items()
    assert count == 10
    assert make_report(cache).functions[0].reuse.age_p50 == pytest.approx(30, rel=0.2)
    assert place > 0


def test_keys_are_in_the_detail_and_not_in_the_report():
    """Who may see figures does not see keys by that [observability 2]."""
    import msgspec

    cache = Cache()
    find = cached(cache=cache, ttl=600, name="find")(lambda name: name)
    for _ in range(200):
        find("somebody")
    assert "somebody" not in str(msgspec.to_builtins(make_report(cache)))
    [key] = route_detail(cache, "find").keys
    assert "somebody" in key.key
    assert 100 <= key.count <= 300
    assert "somebody" not in str(cache.stats().to_dict())


def test_examples_are_the_latest_first():
    """They are the live tail [observability 9]."""
    cache = Cache()
    counters = cache.routes.counters("GET /")
    for number in range(60):
        counters.note_sample(
            HIT, key=f"https://h/{number}", at=float(number), cache_status="cachelayer; hit", age=1.0
        )
    examples = route_detail(cache, "GET /").examples
    assert [each.at for each in examples][:3] == [59.0, 58.0, 57.0]
    assert (examples[0].outcome, examples[0].cache_status) == ("hit", "cachelayer; hit")


def test_many_routes_and_keys_take_bounded_room():
    """Many labels and many keys: 501 labels of a bounded size each [observability 2]."""
    import tracemalloc

    from cachelayer.stats import RouteRegistry

    tracemalloc.start()
    try:
        registry = RouteRegistry()
        for number in range(3000):
            counters = registry.counters(f"GET /{number}")
            counters.note_sample(MISS, key=f"https://h/{number}?{'&'.join(f'p{n}={n}' for n in range(12))}")
        for number in range(3000):
            registry.counters("GET /0").note_sample(HIT, key=f"https://h/{number}/{'x' * 300}", age=1.0)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(registry.known()) == 501
    assert size < 30 * 2**20
