#!/usr/bin/env python3
"""Writes the ConfigMaps of Prometheus and Grafana from the files in monitoring/, and checks those files.

    scripts/build-monitoring.py            writes k8s/prometheus-config.yaml and k8s/grafana-dashboards.yaml
    scripts/build-monitoring.py --check    writes nothing, and fails where they would differ

Either way it holds the sources against what no other tool sees: each alert says what it has to, fires and ends in a
test, and has its section in docs/runbook.md; a dashboard is one that Grafana takes, names only metrics that
docs/metrics.md has, and says of each panel what to do when it moves. Needs PyYAML (Debian: python3-yaml).
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARDS = [MONITORING / "dashboards" / name for name in ("requests.json", "redis-and-runtime.json")]

# `kubectl apply` keeps a copy of the object in an annotation of it, and Kubernetes takes 256 KiB of those.
LARGEST_CONFIG_MAP = 200_000

# What does not come from our services: the exporter of Redis, and Prometheus itself.
EXPORTER = re.compile(r"redis_(?!server_|reconnects_|failovers_|command_)\w+")
OF_PROMETHEUS = {"up", "ALERTS"}
WORDS_OF_PROMQL = set(
    "abs absent and avg bool by changes clamp clamp_max clamp_min count group_left histogram_quantile ignoring "
    "increase label_replace le max max_over_time min min_over_time on or rate scalar sum time topk unless vector "
    "without".split()
)


def config_map(name, labels, data, source):
    """The manifest of a ConfigMap. Its texts are block scalars, so that they stand there as they are."""
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
    labels = {
        "app": labels["app"],
        "app.kubernetes.io/name": labels["app"],
        "app.kubernetes.io/instance": "redis-stream-demo",
        "app.kubernetes.io/version": version,
        "app.kubernetes.io/component": labels["component"],
        "app.kubernetes.io/part-of": "redis-stream-demo",
        "app.kubernetes.io/managed-by": "kubectl",
    }
    lines = [
        f"# Written by scripts/build-monitoring.py from {source}. Change those, not this.",
        "apiVersion: v1",
        "kind: ConfigMap",
        "metadata:",
        f"  name: {name}",
        "  namespace: monitoring",
        "  labels:",
        *(f"    {label}: {value}" for label, value in labels.items()),
        "data:",
    ]
    for file, text in data.items():
        lines.append(f"  {file}: |")
        lines.extend("    " + line if line else "" for line in text.rstrip("\n").split("\n"))
    manifest = "\n".join(lines) + "\n"
    if yaml.safe_load(manifest)["data"] != {file: text.rstrip("\n") + "\n" for file, text in data.items()}:
        sys.exit(f"{name}: what it holds cannot be written as a block")
    return manifest


def manifests():
    """Each file that is written, and its text. Dashboards are written without white space, for Kubernetes's bound."""
    yield "prometheus-config.yaml", config_map(
        "prometheus-config",
        {"app": "prometheus", "component": "metrics"},
        {"prometheus.yaml": (MONITORING / "prometheus-k8s.yaml").read_text(), "rules.yaml": RULES.read_text()},
        "monitoring/prometheus-k8s.yaml and monitoring/rules.yaml",
    )
    compact = {path.name: json.dumps(json.loads(path.read_text()), separators=(",", ":")) for path in DASHBOARDS}
    yield "grafana-dashboards.yaml", config_map(
        "grafana-dashboards", {"app": "grafana", "component": "dashboards"}, compact, "monitoring/dashboards"
    )


def alerts(rules):
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def sections(text):
    """The headings of a document's alerts, by the anchor that a link names."""
    return {heading.lower(): heading for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}


def problems_of_alerts(rules, tests, runbook):
    named = {alert["alert"] for alert in alerts(rules)}
    for alert in alerts(rules):
        name, notes = alert["alert"], alert.get("annotations", {})
        if alert["labels"].get("severity") not in ("page", "ticket"):
            yield f"{name}: the severity is neither page nor ticket"
        for note in ("summary", "description", "runbook_url"):
            if not notes.get(note):
                yield f"{name}: it has no {note}"
        if notes.get("runbook_url") != f"docs/runbook.md#{name.lower()}":
            yield f"{name}: the runbook_url does not lead to its section of docs/runbook.md"

    found = set(sections(runbook).values())
    yield from (f"{name}: docs/runbook.md has no section of that name" for name in sorted(named - found))
    yield from (f"docs/runbook.md: there is no alert {name}" for name in sorted(found - named))

    # What fires in a test, by name and labels, and what of it is gone at a later time of the same test.
    fires, ends = set(), set()
    for test in tests["tests"]:
        seen = set()
        for case in sorted(test.get("alert_rule_test", []), key=lambda case: seconds(case["eval_time"])):
            if not case["exp_alerts"]:
                ends |= {one for one in seen if one[0] == case["alertname"]}
            seen |= {key_of(case["alertname"], alert["exp_labels"]) for alert in case["exp_alerts"]}
        fires |= seen
    for alert in alerts(rules):
        key = key_of(alert["alert"], alert["labels"])
        if key not in fires:
            yield f"{' '.join(filter(None, key))}: it fires in no test"
        elif key not in ends:
            yield f"{' '.join(filter(None, key))}: it does not end in the test in which it fires"


def key_of(name, labels):
    """What tells alerts of one name apart."""
    return name, labels.get("severity"), labels.get("reason")


def seconds(duration):
    """
    >>> seconds("12m30s"), seconds("2h"), seconds("0m")
    (750, 7200, 0)
    """
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def metrics_in(expr):
    """The metrics that a query names.

    >>> sorted(metrics_in('sum by (le) (rate(a_bucket{job="b"}[$__rate_interval])) / on (x) max(slo:c:d5m) > 0.5e3'))
    ['a', 'slo:c:d5m']
    """
    bare = re.sub(r'"[^"]*"', '""', expr)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|ignoring|without|group_left)\s*\([^)]*\)", "", bare)
    words = set(re.findall(r"(?<![\w.$])[a-zA-Z_:][\w:]*", bare)) - WORDS_OF_PROMQL
    return {re.sub(r"_(bucket|sum|count)$", "", word) for word in words}


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def problems_of_dashboard(dashboard, known):
    data_source = {"type": "prometheus", "uid": "${datasource}"}
    if dashboard.get("id") is not None or not dashboard.get("uid"):
        yield "it needs a uid, which is the same everywhere, and no id, which is not"
    variables = [(one["name"], one["type"]) for one in dashboard["templating"]["list"]]
    if ("datasource", "datasource") not in variables:
        yield "it has no variable for the data source"
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have the same id"

    taken, titles = {}, set()
    for panel in dashboard["panels"]:
        title = panel.get("title") or f"panel {panel['id']}"
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{title}: it stands beyond the right edge"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if taken.setdefault((x, y), title) != title:
                    yield f"{title}: it overlaps {taken[x, y]}"
        if title in titles:
            yield f"{title}: two panels have this title"
        titles.add(title)

    for panel in panels(dashboard):
        title = panel["title"]
        if not panel.get("description"):
            yield f"{title}: nothing says what to do when it moves"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{title}: it has no unit"
        letters = [target["refId"] for target in panel["targets"]]
        if not letters or len(set(letters)) != len(letters):
            yield f"{title}: its queries need letters of their own"
        for part in [panel, *panel["targets"]]:
            if part.get("datasource") != data_source:
                yield f"{title}: its data source is not the variable's"
        for target in panel["targets"]:
            yield from (f"{title}: {problem}" for problem in problems_of_query(target["expr"], known))


def problems_of_query(expr, known):
    for metric in sorted(metrics_in(expr)):
        if metric not in known and not EXPORTER.fullmatch(metric):
            yield f"docs/metrics.md has no {metric}, and neither have the rules"
    # A window that does not follow the interval of scraping shows gaps, or hides what was short.
    for window in re.findall(r"\[([^\]]*)\]", expr):
        if window != "$__rate_interval":
            yield f"[{window}] is not $__rate_interval"


def known_metrics(rules):
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    return documented | recorded | OF_PROMETHEUS


def problems():
    rules = yaml.safe_load(RULES.read_text())
    tests = yaml.safe_load((MONITORING / "rules.test.yaml").read_text())
    for problem in problems_of_alerts(rules, tests, (ROOT / "docs/runbook.md").read_text()):
        yield f"monitoring/rules.yaml: {problem}"
    known = known_metrics(rules)
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        for metric in sorted(metrics_in(rule["expr"]) - known):
            if not EXPORTER.fullmatch(metric):
                yield f"monitoring/rules.yaml: {rule.get('alert') or rule['record']}: docs/metrics.md has no {metric}"
    for path in DASHBOARDS:
        for problem in problems_of_dashboard(json.loads(path.read_text()), known):
            yield f"{path.relative_to(ROOT)}: {problem}"


def main(arguments):
    if arguments not in ([], ["--check"]):
        sys.exit(__doc__)
    found = list(problems())
    for name, manifest in manifests():
        path = ROOT / "k8s" / name
        if len(manifest) > LARGEST_CONFIG_MAP:
            found.append(f"k8s/{name}: {len(manifest)} bytes are more than the {LARGEST_CONFIG_MAP} that fit")
        if not arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(manifest)
        elif not path.exists() or path.read_text() != manifest:
            found.append(f"k8s/{name}: it is not what scripts/build-monitoring.py makes of monitoring/; run that")
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    import doctest

    sys.exit(2 if doctest.testmod().failed else main(sys.argv[1:]))
