"""What is derived from the manifests and written into them: checksums, and the links from k8s/ to k8s/base."""

import hashlib
import json
import os
import re

import yaml

from .manifests import BASE, K8S

PREFIX = "checksum/"


def checksum(config_map):
    """One for the same data, however it is laid out."""
    data = json.dumps(config_map.get("data", {}), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(data.encode()).hexdigest()[:16]


def write():
    """Puts the base in order: files where they belong, links to them, checksums in the templates."""
    for path in K8S.glob("*.yaml"):
        if path.name != "kustomization.yaml" and not path.is_symlink():
            path.replace(BASE / path.name)
    for path in BASE.glob("*.yaml"):
        link = K8S / path.name
        if path.name != "kustomization.yaml" and not link.is_symlink():
            os.symlink(f"base/{path.name}", link)
    write_checksums()


def write_checksums():
    sums = {}
    for path in BASE.glob("*.yaml"):
        for each in yaml.safe_load_all(path.read_text()):
            if each and each.get("kind") == "ConfigMap":
                sums[each["metadata"]["name"]] = checksum(each)
    for path in BASE.glob("*.yaml"):
        text = path.read_text()
        new = re.sub(
            rf"^( +{PREFIX})([a-z-]+): .*$",
            lambda line: f'{line[1]}{line[2]}: "{sums[line[2]]}"' if line[2] in sums else line[0],
            text,
            flags=re.MULTILINE,
        )
        if new != text:
            path.write_text(new)
