"""The list of checks, which the files in here fill. Each yields a line for everything that is wrong."""

from .objects import Manifests

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def problems(variant, objects, repository, only=None):
    for function in CHECKS:
        if only in (None, function.__name__):
            for line in function(Manifests(variant, objects), repository):
                yield f"{function.__name__.replace('_', ' ')}: {line}"
