"""What Prometheus looks for and what Grafana shows is there."""

import re

import yaml

from .objects import containers, pod
from .registry import check


@check
def discovery(manifests, repository):
    """Prometheus may look where it is told to look, and finds the ports by the names that they have."""
    config = manifests.find("ConfigMap", "monitoring", "prometheus-config")
    if not config:
        return
    names = {port["name"] for each in manifests.workloads() for container in containers(each)
             for port in container.get("ports", [])}
    roles = {each["metadata"]["namespace"] for each in manifests.of("RoleBinding")
             if any(subject["name"] == "prometheus" for subject in each["subjects"])}
    for job in yaml.safe_load(config["data"]["prometheus.yaml"]).get("scrape_configs", []):
        for discovered in job.get("kubernetes_sd_configs", []):
            asked = set(discovered.get("namespaces", {}).get("names", []))
            if discovered["role"] != "pod" or not asked or asked - roles:
                yield f"the job {job['job_name']} asks for {discovered['role']}s in {asked or 'all namespaces'}"
        for rule in job.get("relabel_configs", []):
            by_port = "__meta_kubernetes_pod_container_port_name" in rule.get("source_labels", [])
            if by_port and len(rule["source_labels"]) == 1 and not any(
                    re.fullmatch(rule["regex"], name) for name in names):
                yield f"the job {job['job_name']} looks for a port {rule['regex']}, which nothing has"


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
