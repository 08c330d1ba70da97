"""Breaks the manifests, one way after the other, and sees whether the check that is meant to find it does."""

import copy
import dataclasses

from . import objects
from .registry import CHECKS, problems

BREAKS = []


def breaks(check, variant="plain files"):
    """Registers a break: what it is called, which check has to find it, and in which variant it is made."""
    def register(function):
        BREAKS.append((function.__name__.replace("_", " "), check, variant, function))
        return function
    return register


def unseen(there, repository):
    """The breaks that their check does not find, of all that can be made of the variants that are there."""
    missed = [f"none: nothing breaks what {function.__name__} looks for" for function in CHECKS
              if function.__name__ not in {check for _, check, _, _ in BREAKS}]
    for name, check, variant, function in BREAKS:
        if variant not in there or function.__name__ == "a_value_that_is_refused" and not repository.refusal:
            continue
        broken = copy.deepcopy(there[variant])
        changed = dataclasses.replace(repository, listed=list(repository.listed), linked=list(repository.linked))
        function(Broken(variant, broken), changed)
        if not any(problems(variant, broken, changed, only=check)):
            missed.append(f"{name} ({check})")
    return missed


class Broken(objects.Manifests):
    """The same questions, with short ways to what is changed most."""

    def pod(self, name):
        return objects.pod(self.workload(name))

    def workload(self, name):
        return next(each for each in self.workloads() if each["metadata"]["name"] == name)

    def container(self, name):
        return self.pod(name)["containers"][0]

    def named(self, kind, name, namespace="redis-stream-demo"):
        return self.find(kind, namespace, name)

    def settings(self):
        return self.named("ConfigMap", "app-config")["data"]

    def acl(self, old, new):
        data = self.named("ConfigMap", "redis-config")["data"]
        assert old in data["users.acl"]
        data["users.acl"] = data["users.acl"].replace(old, new)
