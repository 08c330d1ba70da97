"""Reads the manifests, as they lie there and as kustomize makes them, and what they must agree with."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

# The loader in C, where PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

ROOT = Path(__file__).resolve().parent.parent.parent
K8S = ROOT / "k8s"
BASE = K8S / "base"
COMPONENTS = ("keda", "open-meteo", "tls", "traces")

IMAGE = re.compile(r"^\s+image:\s*[\"']?([^\"'\s#]+)", re.MULTILINE)


@dataclasses.dataclass
class Repository:
    """What the manifests must agree with."""

    # The files of k8s/base, those that its kustomization lists, and those to which k8s/ has a link.
    files: list
    listed: list
    linked: list
    # The version of the services.
    version: str
    # The lines of docs/acl.md for Redis 8.2.3 and newer, by user, and those of compose/users.acl.
    documented_users: dict
    compose_users: dict
    # The images of docker-compose.yml, where that is there.
    compose_images: list
    # Of each program the settings it reads; and what it says against some variables, where it is there to be asked.
    settings: dict
    refusal: object


def read_repository(bin_dir):
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    files = sorted(path.name for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")
    linked = sorted(
        path.name for path in K8S.glob("*.yaml") if path.is_symlink() and os.readlink(path) == f"base/{path.name}"
    )
    compose = ROOT / "docker-compose.yml"
    compose_users = ROOT / "compose" / "users.acl"
    settings, refusal = read_settings(bin_dir)
    return Repository(
        files=files,
        listed=listed,
        linked=linked,
        version=re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1],
        documented_users=users(section(ROOT / "docs" / "acl.md", "### Redis 8.2.3")),
        compose_users=users(compose_users.read_text()) if compose_users.exists() else {},
        compose_images=IMAGE.findall(compose.read_text()) if compose.exists() else [],
        settings=settings,
        refusal=refusal,
    )


def section(document, heading):
    """The part of a document under the heading that begins so."""
    text = document.read_text().split("\n" + heading, 1)[1]
    return text.split("\n#", 1)[0]


def users(text):
    """The lines of an ACL file, by user."""
    return {line.split()[1]: line.strip() for line in text.splitlines() if line.strip().startswith("user ")}


def read_settings(bin_dir):
    """The names of the settings of each program, and how to ask it whether it takes some values."""
    programs = {}
    if bin_dir:
        programs = {name: bin_dir / name for name in ("ingress", "proxy")}
    elif shutil.which("cargo"):
        # All of them: fewer would be built with other features, and a second time for the tests.
        run(["cargo", "build", "--quiet", "--locked", "--workspace", "--bins"])
        metadata = run(["cargo", "metadata", "--format-version", "1", "--no-deps"])
        target = Path(re.search(r'"target_directory":"([^"]*)"', metadata)[1])
        programs = {name: target / "debug" / name for name in ("ingress", "proxy")}
    if not programs:
        print("check-k8s: no cargo here: names of settings are taken from the sources, values were NOT checked",
              file=sys.stderr)
        return {name: settings_of_sources(name) for name in ("ingress", "proxy")}, None

    def refusal(program, variables):
        asked = subprocess.run(
            [programs[program], "--print-config"], env=variables, capture_output=True, text=True, check=False)
        return None if asked.returncode == 0 else asked.stderr.strip()

    names = {}
    for name, program in programs.items():
        shown = subprocess.run([program, "--print-config"], env={}, capture_output=True, text=True, check=True).stdout
        names[name] = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)(?:=| is unset)", shown, re.MULTILINE))
    return names, refusal


def settings_of_sources(program):
    """The names that clap makes of the fields with `env`."""
    field = re.compile(r"#\[arg\([^\]]*?\benv\b[^\]]*\)\]\s*pub ([a-z0-9_]+):")
    sources = [path for name in ("service", program) for path in (ROOT / "crates" / name).rglob("*.rs")]
    return {name.upper() for path in sources for name in field.findall(path.read_text())}


def variants(repository):
    """Each way in which the manifests are applied: its name and its objects."""
    yield "plain files", plain_files(repository)
    if not shutil.which("kubectl"):
        print("check-k8s: no kubectl here: overlays and components were NOT checked", file=sys.stderr)
        return
    yield "k8s", kustomize(K8S)
    yield "k8s/overlays/single-node", kustomize(K8S / "overlays" / "single-node")
    for component in COMPONENTS:
        yield f"k8s with {component}", kustomize(K8S, (component,))
    yield "k8s/overlays/single-node with all components", kustomize(K8S / "overlays" / "single-node", COMPONENTS)


def plain_files(repository):
    missing = sorted(set(repository.listed) - set(repository.files))
    if missing:
        sys.exit(f"k8s/base has no {' and no '.join(missing)}: scripts/check-k8s.py --write moves them there from k8s/")
    return [
        each
        for name in repository.listed
        for each in documents((BASE / name).read_text())
        if each is not None
    ]


def kustomize(folder, components=()):
    if not components:
        return list(documents(run(["kubectl", "kustomize", str(folder)])))
    with tempfile.TemporaryDirectory() as above:
        def relative(path):
            return os.path.relpath(path, os.path.realpath(above))

        kustomization = {
            "resources": [relative(folder)],
            "components": [relative(K8S / "components" / name) for name in components],
        }
        (Path(above) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return list(documents(run(["kubectl", "kustomize", above])))


def documents(text):
    return yaml.load_all(text, Loader=LOADER)


def run(command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
