#!/usr/bin/env python3
"""Checks that the manifests in k8s/ fit together, which no schema sees: selectors and labels, ports and their names,
references, settings, secrets, grace periods, memory, images, the restricted level, who may talk to whom, checksums.

    scripts/check-k8s.py [--write] [--bin-dir FOLDER]

    --write            check nothing, and write what is derived: the checksums of ConfigMaps in the pods' templates, and
                       the links from k8s/ into k8s/base; a file that another script wrote into k8s/ is moved there
    --bin-dir FOLDER   take `ingress` and `proxy` from there to check the settings; without it they are built by cargo

It reads the plain files, and by `kubectl kustomize` what the base, the overlay and the components make of them. Where
there is no kubectl, or no cargo, it says what was NOT checked. Then it breaks the manifests in every way that it knows
of and makes sure that each is found. Needs Python 3.9 or newer and PyYAML (Debian: python3-yaml).
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from check_k8s import breaks, breaks_of_names, breaks_of_pods, derived, manifests, registry  # noqa: E402, F401


def main():
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    arguments.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--bin-dir", type=Path, help=argparse.SUPPRESS)
    options = arguments.parse_args()

    if options.write:
        derived.write()
        return

    repository = manifests.read_repository(options.bin_dir)
    variants = dict(manifests.variants(repository))
    failed = False
    for name, objects in variants.items():
        for problem in registry.problems(name, objects, repository):
            failed = True
            print(f"{name}: {problem}", file=sys.stderr)
    if failed:
        sys.exit("the manifests do not fit together")

    unseen = breaks.unseen(variants, repository)
    for name in unseen:
        print(f"this break was not found: {name}", file=sys.stderr)
    if unseen:
        sys.exit("the check itself is broken")


if __name__ == "__main__":
    main()
