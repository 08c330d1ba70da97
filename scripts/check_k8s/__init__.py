"""What scripts/check-k8s.py is made of: the checks are in the files that are imported here."""

from . import monitoring, references, running, scaling, security, structure  # noqa: F401
