#!/usr/bin/env python3
"""What scripts/check-compose.sh checks of docker-compose.yml, compose/ and the Dockerfiles: each service is held in
bounds, and what stands in two places is the same in both. Needs PyYAML.

The examples in here are tested with each run.
"""

import doctest
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# What a service goes without, and why.
EXCEPTIONS = {
    ("credentials", "healthcheck"): "it runs to its end; the others wait for that",
    ("credentials", "restart"): "it runs to its end; if it fails, somebody has to look",
    ("credentials", "cap_add"): "it gives files to users that it is not, and reads them again",
    ("load", "healthcheck"): "it runs to its end",
    ("load", "restart"): "it runs to its end, and is wanted once",
}


def size(text):
    """
    >>> size("512m"), size("256mb"), size("1g")
    (536870912, 268435456, 1073741824)
    """
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", text.lower()).groups()
    return int(number) * 1024 ** (" kmg".index(unit))


def seconds(text):
    """
    >>> seconds("35s"), seconds("2m")
    (35, 120)
    """
    number, unit = re.fullmatch(r"(\d+)([sm])", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def tag(image):
    """What an image's name says after its colon; the port of a registry is no tag.

    >>> tag("redis:8.6.7-trixie"), tag("redis"), tag("localhost:5000/redis")
    ('8.6.7-trixie', None, None)
    """
    return image.rsplit("/", 1)[-1].partition(":")[2] or None


def pinned(image):
    """
    >>> pinned("redis:8.6.7-trixie"), pinned("redis:latest"), pinned("redis"), pinned("redis:8-alpine")
    (True, False, False, False)
    """
    return re.match(r"v?\d+\.\d+(\.\d+)?", tag(image) or "") is not None


def bounds(service):
    """The rules that this service breaks, each by its key and in words.

    >>> sorted(key for key, _ in bounds({"image": "redis", "ports": ["5009:5009"]}))
    ... # doctest: +NORMALIZE_WHITESPACE
    ['cap_drop', 'cpus', 'healthcheck', 'image', 'logging', 'mem_limit', 'pids_limit', 'ports', 'read_only', 'restart',
     'security_opt']
    """
    if not pinned(service.get("image", "")):
        yield "image", "its image has no tag of a release"
    for limit in ("mem_limit", "cpus", "pids_limit", "healthcheck"):
        if limit not in service:
            yield limit, f"it has no {limit}"
    if service.get("restart") != "unless-stopped":
        yield "restart", "it is not started again"
    if service.get("read_only") is not True:
        yield "read_only", "its file system can be written to"
    if service.get("cap_drop") != ["ALL"]:
        yield "cap_drop", "it keeps capabilities"
    if service.get("cap_add"):
        yield "cap_add", "it gets capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "security_opt", "it may gain privileges"
    logging = service.get("logging", {})
    if logging.get("driver") != "json-file" or not {"max-size", "max-file"} <= set(logging.get("options", {})):
        yield "logging", "its log grows without end"
    for forbidden in ("privileged", "pid", "ipc", "devices"):
        if forbidden in service:
            yield forbidden, f"it has {forbidden}"
    if service.get("network_mode", "none") != "none":
        yield "network_mode", "it is on a network of others"
    if not all(port.startswith("127.0.0.1:") for port in service.get("ports", [])):
        yield "ports", "a port can be reached from other machines"


def mounts(service, volumes):
    """The rules that this service's volumes break; `volumes` are those of the file.

    >>> list(mounts({"volumes": ["./Cargo.toml:/a:ro", "./none:/b:ro", "./Cargo.toml:/c", "data:/d"]}, {"data"}))
    ['./none is not in the repository', './Cargo.toml can be written to']
    >>> list(mounts({"volumes": ["data:/d"]}, set()))
    ['the volume data is not declared']
    """
    for mount in service.get("volumes", []):
        source, _, mode = mount.split(":") if mount.count(":") == 2 else (*mount.split(":"), "")
        if not source.startswith("./"):
            if source not in volumes:
                yield f"the volume {source} is not declared"
        elif not (ROOT / source).exists():
            yield f"{source} is not in the repository"
        elif mode != "ro":
            yield f"{source} can be written to"


def settings():
    """The settings that DEPLOYMENT.md has in its tables."""
    return set(re.findall(r"^\| `([A-Z_]+)` \|", read("DEPLOYMENT.md"), re.MULTILINE))


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def version():
    return re.search(r'^version = "(.+)"', read("Cargo.toml"), re.MULTILINE).group(1)


def of_services(services):
    """What the services of ours have to say alike in different places."""
    known = settings()
    for name in ("ingress", "proxy"):
        service = services[name]
        environment = service["environment"]
        for variable in environment:
            if variable not in known:
                yield f"{name}: DEPLOYMENT.md knows no setting {variable}"
        drain = seconds(environment["DRAIN_DELAY"]) + seconds(environment["DRAIN_TIMEOUT"])
        if seconds(service["stop_grace_period"]) < drain + 5:
            yield f"{name}: stop_grace_period leaves less than 5 s beside {drain} s of draining"
    for name, service in services.items():
        if "build" in service and tag(service["image"]) != version():
            yield f"{name}: its image is not tagged with the version of Cargo.toml"
        # Compose 2 asks a registry first, and would run what a stranger put there under this name.
        if "build" in service and service.get("pull_policy") != "never":
            yield f"{name}: its image may be pulled instead of built"


def of_redis(compose):
    redis = compose["services"]["redis"]
    options = dict(zip(redis["command"][::2], redis["command"][1::2]))
    wanted = {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}
    for option, value in wanted.items():
        if options.get(option) != value:
            yield f"redis: {option} is not {value}"
    if size(redis["mem_limit"]) < 2.2 * size(options["--maxmemory"]):
        yield "redis: the container's memory is not well above twice maxmemory"
    if redis["networks"] != ["backend"] or compose["networks"]["backend"] != {"internal": True} or "ports" in redis:
        yield "redis: it can be reached from outside the internal network"
    documented = read("docs/acl.md").partition("\n### Redis 8.2.3")[2].partition("\n### ")[0]
    ours = read("compose/users.acl")
    for user in ("ingress", "proxy", "default"):
        line = re.compile(rf"^user {user} .*$", re.MULTILINE)
        if not line.search(documented) or line.findall(documented) != line.findall(ours):
            yield f"compose/users.acl: the user {user} is not the one of docs/acl.md"


def of_dockerfile(path):
    text = read(path)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    bases = [image for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if image not in stages]
    for image in bases:
        # Distroless names no releases: the name of Debian's stands in the image's, what follows the colon is the user.
        if not pinned(image) and not re.fullmatch(r"gcr\.io/distroless/\S+-debian\d+:nonroot", image):
            yield f"{path}: {image} has no tag of a release"
    for base in re.findall(r'image\.base\.name="(.+?)"', text):
        if base not in bases:
            yield f"{path}: a label names the base {base}, which it is not built on"
    if set(re.findall(r"^ARG VERSION=(.+)$", text, re.MULTILINE)) != {version()}:
        yield f"{path}: VERSION is not the one of Cargo.toml"


def problems():
    compose = yaml.safe_load(read("docker-compose.yml"))
    excused = set()
    for name, service in compose["services"].items():
        for key, problem in bounds(service):
            if (name, key) in EXCEPTIONS:
                excused.add((name, key))
            else:
                yield f"{name}: {problem}"
        for problem in mounts(service, compose["volumes"]):
            yield f"{name}: {problem}"
    for name, key in EXCEPTIONS.keys() - excused:
        yield f"{name}: it is excused from {key}, and need not be"
    yield from of_services(compose["services"])
    yield from of_redis(compose)
    for path in sorted((ROOT / "compose").rglob("*.yaml")):
        try:
            yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            yield f"{path.relative_to(ROOT)}: {error}"
    for dockerfile in ("Dockerfile.ingress", "Dockerfile.proxy"):
        yield from of_dockerfile(dockerfile)


def main():
    failed = doctest.testmod().failed > 0
    for problem in problems():
        print(f"compose: {problem}", file=sys.stderr)
        failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
