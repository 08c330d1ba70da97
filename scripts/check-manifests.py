#!/usr/bin/env python3
"""Holds what a cluster would be given, and the Dockerfiles, against schemas and policies.

    PATH=target/check-tools/bin:$PATH scripts/check-manifests.py

What each kustomization below k8s/ makes (a component: together with k8s), and each plain file, has to pass the schemas
of the oldest Kubernetes that is supported and of the newest that kubernetes-validate knows; a field or a kind that they
do not know is an error. Then all of it, and the Dockerfiles, has to pass checkov, but for the exceptions in
scripts/policy-exceptions.yaml. One that excepts nothing is an error. The examples in here are tested with each run.

Needs kubectl on the path, and no cluster.
"""

import doctest
import fnmatch
import json
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
RENDERED = ROOT / "target" / "check-manifests"
EXCEPTIONS = ROOT / "scripts" / "policy-exceptions.yaml"
OLDEST = "1.30"

# Custom resources, whose schemas come with what defines them. KEDA's are held by scripts/check-k8s.py.
FOREIGN = ("keda.sh/",)


def documents(text):
    """
    >>> documents("a: 1\\n---\\n---\\nb: 2")
    [{'a': 1}, {'b': 2}]
    """
    return [document for document in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if document]


def name(manifest):
    """
    >>> name({"kind": "Pod", "metadata": {"name": "a"}})
    'Pod a'
    """
    return f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"


def schema_problems(manifest, version):
    """What the schemas of that version have against it.

    >>> config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"}}
    >>> list(schema_problems(config, OLDEST)), list(schema_problems({**config, "apiVersion": "keda.sh/v1"}, OLDEST))
    ([], [])
    >>> [problem.split(":")[0] for problem in schema_problems({**config, "date": {}}, OLDEST)]
    ['ConfigMap a, Kubernetes 1.30']
    >>> list(schema_problems({**config, "apiVersion": "v2"}, OLDEST))
    ['ConfigMap a, Kubernetes 1.30: there is no ConfigMap in v2']
    """
    if str(manifest.get("apiVersion", "")).startswith(FOREIGN):
        return
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name(manifest)}, Kubernetes {version}: there is no {error.kind} in {error.api_version}"
    except kubernetes_validate.ValidationError as error:
        path = ".".join(str(step) for step in error.path)
        yield f"{name(manifest)}, Kubernetes {version}: {path}: {error.message}"


def excepted(finding, exception):
    """Whether the exception covers the finding: the same check, and one of its names, in which `*` stands for anything.

    >>> exception = {"check": "CKV_1", "resources": ["Deployment.monitoring.*"], "reason": "so"}
    >>> excepted({"check_id": "CKV_1", "resource": "Deployment.monitoring.a"}, exception)
    True
    >>> excepted({"check_id": "CKV_1", "resource": "Deployment.other.a"}, exception)
    False
    """
    return finding["check_id"] == exception["check"] and any(
        fnmatch.fnmatchcase(finding["resource"], pattern) for pattern in exception["resources"]
    )


def policy_problems(findings, exceptions):
    """The findings without an exception, each once, and the exceptions without a finding or a reason.

    >>> finding = {"check_id": "CKV_1", "resource": "Pod.a.b", "check_name": "No", "file_path": "/x.yaml"}
    >>> exception = {"check": "CKV_1", "resources": ["Pod.a.*"], "reason": "so"}
    >>> list(policy_problems([finding], [exception]))
    []
    >>> list(policy_problems([finding, finding], []))
    ['x.yaml: CKV_1, No: Pod.a.b']
    >>> list(policy_problems([], [exception]))
    ['the exception of CKV_1 for Pod.a.* excepts nothing']
    """
    # What several kustomizations share is found in each.
    once = {(finding["check_id"], finding["resource"]): finding for finding in reversed(findings)}
    for finding in reversed(once.values()):
        if not any(excepted(finding, exception) for exception in exceptions):
            place = Path(finding["file_path"]).name
            yield f"{place}: {finding['check_id']}, {finding['check_name']}: {finding['resource']}"
    for exception in exceptions:
        if not str(exception.get("reason", "")).strip():
            yield f"the exception of {exception['check']} has no reason"
        for pattern in exception["resources"]:
            only = {**exception, "resources": [pattern]}
            if not any(excepted(finding, only) for finding in findings):
                yield f"the exception of {exception['check']} for {pattern} excepts nothing"


def kustomize(folder):
    """What `kubectl apply -k` would send of that folder."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {folder.relative_to(ROOT)} cannot be built: {done.stderr.strip()}")
    return done.stdout


def render():
    """Writes what each kustomization makes into a file, and returns those files."""
    shutil.rmtree(RENDERED, ignore_errors=True)
    RENDERED.mkdir(parents=True)
    for path in sorted((ROOT / "k8s").rglob("kustomization.yaml")):
        folder = path.parent
        title = "-".join(folder.relative_to(ROOT).parts)
        if yaml.safe_load(path.read_text(encoding="utf-8")).get("kind") == "Component":
            # A component is nothing by itself. kustomize takes paths relative to the kustomization alone.
            folder = RENDERED / title
            folder.mkdir()
            up = "../" * len(folder.relative_to(ROOT).parts)
            (folder / "kustomization.yaml").write_text(
                yaml.safe_dump({"resources": [f"{up}k8s"], "components": [f"{up}{path.parent.relative_to(ROOT)}"]}),
                encoding="utf-8",
            )
        (RENDERED / f"{title}.yaml").write_text(kustomize(folder), encoding="utf-8")
    return sorted(RENDERED.glob("*.yaml"))


def checkov(files, dockerfiles):
    """What checkov finds, without the network: its policies are in its package."""
    command = [Path(sys.executable).parent / "checkov", "--framework", "kubernetes", "dockerfile"]
    command += ["--output", "json", "--quiet", "--compact", "--skip-download", "--file", *files, *dockerfiles]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        reports = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"error: checkov ended with {done.returncode} and no report: {done.stdout}{done.stderr}")
    reports = reports if isinstance(reports, list) else [reports]
    looked_at = {report.get("check_type") for report in reports if report.get("summary", {}).get("passed")}
    if looked_at != {"kubernetes", "dockerfile"} or any(report["summary"]["parsing_errors"] for report in reports):
        sys.exit(f"error: checkov did not read everything: {done.stdout[:2000]}{done.stderr}")
    return [finding for report in reports for finding in report["results"]["failed_checks"]]


def main():
    if doctest.testmod().failed:
        return 1
    rendered = render()
    plain = [path for path in sorted((ROOT / "k8s").glob("*.yaml")) if path.name != "kustomization.yaml"]
    # Most of what is rendered is the same in all.
    where = {}
    for path in rendered + plain:
        for manifest in documents(path.read_text(encoding="utf-8")):
            where.setdefault(json.dumps(manifest, default=str), (path.name, manifest))
    problems, versions = [], (OLDEST, kubernetes_validate.latest_version())
    for path, manifest in where.values():
        for version in versions:
            problems += [f"{path}: {problem}" for problem in schema_problems(manifest, version)]
    exceptions = yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8"))
    problems += policy_problems(checkov(rendered, sorted(ROOT.glob("Dockerfile*"))), exceptions)
    for problem in problems:
        print(f"manifests: {problem}", file=sys.stderr)
    print(f"manifests: {len(where)} objects by the schemas of Kubernetes {' and '.join(versions)}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
