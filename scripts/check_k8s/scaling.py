"""Autoscalers: each has its target, and no target has two masters."""

from .objects import PROGRAMS, bounds, containers, title
from .registry import check


@check
def scaling(manifests, repository):
    targets = []
    for each in manifests.scalers():
        spec = each["spec"]
        reference = spec["scaleTargetRef"]
        target = manifests.find(reference.get("kind", "Deployment"), each["metadata"]["namespace"], reference["name"])
        if target is None:
            yield f"{title(each)} scales {reference['name']}, which is not there"
            continue
        targets.append(reference["name"])
        if "replicas" in target["spec"]:
            yield f"{title(target)} has a number of replicas, and so has {title(each)}"
        low, high = bounds(each)
        if not low <= high:
            yield f"{title(each)} is to have {low} to {high} pods"
        if each["kind"] == "HorizontalPodAutoscaler":
            behavior = spec.get("behavior", {})
            if not behavior.get("scaleUp") or not behavior.get("scaleDown"):
                yield f"{title(each)} does not say how fast it scales"
            for container in containers(target):
                if "cpu" not in container["resources"]["requests"]:
                    yield f"{title(each)} measures CPU by a request that {title(target)} does not make"
        for trigger in spec.get("triggers", []):
            name = trigger["authenticationRef"]["name"]
            if not manifests.find("TriggerAuthentication", each["metadata"]["namespace"], name):
                yield f"{title(each)} comes as {name}, which is not there"
    for name in sorted({name for name in targets if targets.count(name) > 1}):
        yield f"{name} has two autoscalers, which pull at it in turn"
    for each in manifests.workloads():
        if "replicas" not in each["spec"] and each["metadata"]["name"] not in targets:
            yield f"{title(each)} has neither a number of replicas nor an autoscaler"
    for name in PROGRAMS:
        if not manifests.find("PodDisruptionBudget", "redis-stream-demo", name):
            yield f"{name} has no disruption budget"
