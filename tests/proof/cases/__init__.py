"""Conformance cases, each with the section whose sentence it shows."""

from tests.proof.cases import (
    freshness,
    identity,
    invalidation,
    newer,
    partial,
    requests,
    stale,
    status,
    storing,
    validation,
    variants,
)

CASES = (
    *storing.CASES,
    *freshness.CASES,
    *identity.CASES,
    *variants.CASES,
    *validation.CASES,
    *requests.CASES,
    *invalidation.CASES,
    *partial.CASES,
    *stale.CASES,
    *status.CASES,
    *newer.CASES,
)
