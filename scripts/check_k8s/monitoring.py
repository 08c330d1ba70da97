"""What Prometheus looks for and what Grafana shows is there."""

import re

import yaml

from .objects import containers, pod, pod_labels
from .registry import check


# Of each job, the pods and the port that it has to find.
JOBS = {"ingress": ("ingress-service", 9000), "proxy": ("proxy-service", 9000), "redis": ("redis-exporter", 9121),
        "prometheus": ("prometheus", 9090)}


@check
def discovery(manifests, repository):
    """Prometheus may look where it is told to look, and each job finds the ports that it is for."""
    config = manifests.find("ConfigMap", "monitoring", "prometheus-config")
    if not config:
        return
    roles = {each["metadata"]["namespace"] for each in manifests.of("RoleBinding")
             if any(subject["name"] == "prometheus" for subject in each["subjects"])}
    jobs = {job["job_name"]: job for job in yaml.safe_load(config["data"]["prometheus.yaml"])["scrape_configs"]}
    if sorted(jobs) != sorted(JOBS):
        yield f"the jobs are {sorted(jobs)}"
        return
    for name, job in jobs.items():
        for discovered in job.get("kubernetes_sd_configs", []):
            asked = set(discovered.get("namespaces", {}).get("names", []))
            if discovered["role"] != "pod" or not asked or asked - roles:
                yield f"the job {name} asks for {discovered['role']}s in {sorted(asked) or 'all namespaces'}"
        found = {(target["__meta_kubernetes_pod_label_app"], int(target["__meta_kubernetes_pod_container_port_number"]))
                 for target in targets(manifests) if kept(target, job.get("relabel_configs", []))}
        if found != {JOBS[name]}:
            yield f"the job {name} finds {sorted(found)}"


def targets(manifests):
    """What discovery shows of each port of each pod."""
    for each in manifests.workloads():
        for container in containers(each, init=False):
            for port in container.get("ports", []):
                yield {"__meta_kubernetes_pod_label_app": pod_labels(each)["app"],
                       "__meta_kubernetes_pod_container_port_name": port["name"],
                       "__meta_kubernetes_pod_container_port_number": str(port["containerPort"]),
                       "__meta_kubernetes_pod_phase": "Running"}


def kept(target, rules):
    for rule in rules:
        value = ";".join(target.get(label, "") for label in rule.get("source_labels", []))
        matches = re.fullmatch(rule.get("regex", ".*"), value) is not None
        if rule.get("action") == "keep" and not matches or rule.get("action") == "drop" and matches:
            return False
    return True


@check
def dashboards(manifests, repository):
    provisioned = manifests.find("ConfigMap", "monitoring", "grafana-provisioning")
    shown = manifests.find("ConfigMap", "monitoring", "grafana-dashboards")
    if not provisioned or not shown:
        yield "Grafana has no ConfigMap grafana-provisioning, or none called grafana-dashboards"
        return
    sources = yaml.safe_load(provisioned["data"]["datasources.yaml"])["datasources"]
    known = {source["uid"] for source in sources} | {"-- Grafana --", "grafana"}
    for name, text in (shown.get("data") or {}).items():
        for uid in sorted(set(data_sources(yaml.safe_load(text))) - known):
            if not uid.startswith("$"):
                yield f"{name} asks the data source {uid}, which is not provisioned"
    mounted = [mount["mountPath"] for mount in
               pod(manifests.find("Deployment", "monitoring", "grafana"))["containers"][0]["volumeMounts"]]
    for provider in yaml.safe_load(provisioned["data"]["dashboards.yaml"])["providers"]:
        if provider["options"]["path"] not in mounted:
            yield f"Grafana looks for dashboards in {provider['options']['path']}, where nothing is"


def data_sources(node):
    """The data sources that a dashboard names, wherever in it."""
    if isinstance(node, dict):
        source = node.get("datasource")
        if isinstance(source, dict) and isinstance(source.get("uid"), str):
            yield source["uid"]
        for value in node.values():
            yield from data_sources(value)
    elif isinstance(node, list):
        for value in node:
            yield from data_sources(value)
