"""The colours of the style sheet: what is written in them can be read, and what they tell apart is told apart."""

import re
from itertools import combinations
from pathlib import Path

import pytest

import cachelayer.dashboard

SHEET = (Path(cachelayer.dashboard.__file__).parent / "static" / "dashboard.css").read_text()
WORDS = ["ink", "ink-2", "accent", "good", "warn", "bad"]
GROUNDS = ["page", "surface", "raised", "sunken"]
#: Neighbours in a stack or a chart, from the bottom up.
SERVED = [
    "hit",
    "collapsed",
    "stale_hit",
    "revalidated",
    "error_hit",
    "miss",
    "uncacheable",
    "bypass",
    "error",
]

Colour = tuple[float, float, float]


def theme(opening: str) -> dict[str, Colour]:
    """Return the colours that a rule of the sheet names."""
    rule = SHEET.partition(opening)[2].partition("}")[0]
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", rule)
    return {name: rgb(text) for name, text in found}


def rgb(text: str) -> Colour:
    """Return a colour's parts, from 0 to 1."""
    digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def linear(colour: Colour) -> Colour:
    """Return the light of each part."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""
    lights = sorted(
        sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)
    )
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def seen(colour: Colour, blindness: str) -> Colour:
    """Return the light that somebody with a kind of colour blindness sees (Machado and others, 2009)."""
    rows = {
        "none": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        "protanopia": (
            (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
        ),
        "deuteranopia": (
            (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
        ),
        "tritanopia": (
            (1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900),
        ),
    }[blindness]  # fmt: skip
    red, green, blue = (sum(w * p for w, p in zip(row, linear(colour), strict=True)) for row in rows)
    return red, green, blue


def lab(light: Colour) -> Colour:
    """Return light as Oklab, in which distances are as they are seen."""
    red, green, blue = (max(0.0, part) for part in light)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


THEMES = {"light": theme(":root {"), "dark": theme(':root[data-theme="dark"] {')}


@pytest.mark.parametrize("name", THEMES)
def test_words_can_be_read(name: str):
    """Text has a contrast of 4.5 on every ground (WCAG 2.2, success criterion 1.4.3) [observability 7]."""
    colours = THEMES[name]
    weak = {
        (word, ground)
        for word in WORDS
        for ground in GROUNDS
        if contrast(colours[word], colours[ground]) < 4.5
    }
    assert weak == set()
    assert contrast(colours["accent-ink"], colours["accent"]) >= 4.5
    # Axes and placeholders stand on panels and in fields.
    assert min(contrast(colours["ink-3"], colours[ground]) for ground in ("surface", "raised")) >= 4.5


@pytest.mark.parametrize("blindness", ["none", "protanopia", "deuteranopia", "tritanopia"])
@pytest.mark.parametrize("name", THEMES)
def test_outcomes_are_told_apart(name: str, blindness: str):
    """Each pair of outcomes differs to every eye, by lightness if not by hue [observability 7]."""
    colours = THEMES[name]
    places = {outcome: lab(seen(colours[outcome], blindness)) for outcome in SERVED}
    distances = {
        (one, other): sum((a - b) ** 2 for a, b in zip(places[one], places[other], strict=True)) ** 0.5
        for one, other in combinations(SERVED, 2)
    }
    assert {pair: round(apart, 3) for pair, apart in distances.items() if apart < 0.06} == {}


def test_both_ways_into_the_dark_are_the_same():
    """By the system's wish and by the button: the same colours, which stand twice in the sheet."""
    assert THEMES["dark"] == theme(':root:not([data-theme="light"]) {')
