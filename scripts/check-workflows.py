#!/usr/bin/env python3
"""Holds .github/workflows to what schemas and zizmor do not see, or see only on GitHub.

    PATH=target/check-tools/bin:$PATH scripts/check-workflows.py

- A workflow and each of its jobs say which permissions they have, and a job when it has taken too long.
- An action is pinned to a commit and says its version, and is at the same one everywhere.
- A checkout leaves no credentials behind. A command gets values from outside by variables, never by `${{ }}`.
- A script that a command names exists, can be run, and knows each option that it is given.
- Who is needed exists.

The examples in here are tested with each run.
"""

import doctest
import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PINNED = re.compile(r"^\s*(?:- )?uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$")
USES = re.compile(r"^\s*(?:- )?uses: (?!\./)")
SCRIPT = re.compile(r"(?:^|[\s(])(?:\./)?(scripts/[\w.-]+)((?: +[^\s|&;)>]+)*)", re.MULTILINE)


def pins(text):
    """The actions of a file with their commits and versions, and the lines that have none.

    >>> pins("- uses: a/b@" + "0" * 40 + " # v1.2.3\\n  uses: c/d@v1\\n- uses: ./.github/workflows/e.yml")
    ({'a/b': {('0000000000000000000000000000000000000000', 'v1.2.3')}}, ['uses: c/d@v1'])
    """
    found, loose = {}, []
    for line in text.split("\n"):
        pin = PINNED.match(line)
        if pin:
            found.setdefault(pin[1], set()).add((pin[2], pin[3]))
        elif USES.match(line):
            loose.append(line.strip().removeprefix("- "))
    return found, loose


def scripts_in(command):
    """The scripts that a command runs, each with the options that it is given.

    >>> list(scripts_in("server=$(scripts/a.sh x)\\nX=1 scripts/b.sh --c 5 --d && echo --no"))
    [('scripts/a.sh', []), ('scripts/b.sh', ['--c', '--d'])]
    """
    for script, arguments in SCRIPT.findall(command):
        yield script, re.findall(r"(?<!\S)--[\w-]+", arguments)


def script_problems(script, options):
    """
    >>> list(script_problems("scripts/none.sh", []))
    ['there is no scripts/none.sh that can be run']
    >>> list(script_problems("scripts/chaos.sh", ["--minutes", "--hours"]))
    ['scripts/chaos.sh does not know --hours']
    """
    path = ROOT / script
    if not os.access(path, os.X_OK):
        yield f"there is no {script} that can be run"
        return
    text = path.read_text(encoding="utf-8")
    yield from (f"{script} does not know {option}" for option in options if option not in text)


def step_problems(step):
    """
    >>> list(step_problems({"uses": "actions/checkout@1", "with": {"persist-credentials": False}}))
    []
    >>> list(step_problems({"uses": "actions/checkout@1"}))
    ['a checkout that leaves credentials behind']
    >>> list(step_problems({"run": "echo ${{ github.ref }}"}))
    ['a command with ${{ }} in it: echo ${{ github.ref }}']
    """
    checkout = step.get("uses", "").startswith("actions/checkout@")
    if checkout and step.get("with", {}).get("persist-credentials") is not False:
        yield "a checkout that leaves credentials behind"
    command = step.get("run", "")
    if "${{" in command:
        yield f"a command with ${{{{ }}}} in it: {command.strip()}"
    for script, options in scripts_in(command):
        yield from script_problems(script, options)


def job_problems(job, others):
    """
    >>> good = {"permissions": {}, "timeout-minutes": 5, "steps": []}
    >>> list(job_problems(good, [])), list(job_problems({"permissions": {}, "uses": "./x.yml"}, []))
    ([], [])
    >>> list(job_problems({"steps": [], "needs": "x"}, ["a"]))
    ['no permissions', 'no timeout-minutes', 'needs x, which is not there']
    """
    if "permissions" not in job:
        yield "no permissions"
    if "timeout-minutes" not in job and "uses" not in job:
        yield "no timeout-minutes"
    needs = job.get("needs", [])
    for need in [needs] if isinstance(needs, str) else needs:
        if need not in others:
            yield f"needs {need}, which is not there"
    for step in job.get("steps", []):
        yield from step_problems(step)


def workflow_problems(workflow):
    """
    >>> list(workflow_problems({"permissions": {}, "concurrency": {}, "jobs": {"a": {"permissions": {}, "steps": []}}}))
    ['job a: no timeout-minutes']
    >>> list(workflow_problems({"permissions": "write-all", "jobs": {}}))
    ['the permissions of a workflow are {}, and each job says its own', 'no concurrency']
    """
    if workflow.get("permissions") != {}:
        yield "the permissions of a workflow are {}, and each job says its own"
    if "concurrency" not in workflow:
        yield "no concurrency"
    for title, job in workflow["jobs"].items():
        yield from (f"job {title}: {problem}" for problem in job_problems(job, workflow["jobs"]))


def main():
    if doctest.testmod().failed:
        return 1
    problems, actions = [], {}
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
    if not workflows:
        problems.append(".github/workflows: there is none")
    for path in workflows:
        text = path.read_text(encoding="utf-8")
        problems += [f"{path.name}: {problem}" for problem in workflow_problems(yaml.safe_load(text))]
        found, loose = pins(text)
        problems += [f"{path.name}: not at a commit and a version: {line}" for line in loose]
        for action, commits in found.items():
            actions.setdefault(action, set()).update(commits)
    for action, commits in actions.items():
        if len(commits) > 1:
            problems.append(f"{action} is at several commits: {sorted(commits)}")
    for problem in problems:
        print(f"workflows: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
