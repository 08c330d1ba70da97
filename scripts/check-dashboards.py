#!/usr/bin/env python3
"""What scripts/check-dashboards.sh runs once the programs are there: see its head.

A query passes when it returned a finite number at some time, and one other than zero unless STILL gives a reason why
this run cannot bring that about: a panel that shows nothing but zeros may as well look at the wrong metric.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
DASHBOARDS = ("requests", "redis-and-runtime")

# How long load is sent. The faults take about as long, and the alert that a panel shows needs a minute of its cause.
LOAD = 80
# What Grafana would make of $__rate_interval for this interval of scraping, with room for a scrape that is late.
SCRAPE_INTERVAL = "1s"
RATE_INTERVAL = "15s"

# Queries that may return nothing but zeros, by their metric.
STILL = {
    "redis_failovers_total": "there are no sentinels here",
    "redis_server_loading": "Redis loads nothing for longer than a look",
    "redis_server_replicas_connected": "this Redis has no replica",
    "redis_server_evicted_keys_total": "the policy is not unsafe for long enough to lose anything",
    "log_lines_dropped_total": "the logs go to files, which take everything",
    "trace_spans_exported_total": "there is no collector here that takes them",
    "redis_aof_last_rewrite_duration_sec": "a rewrite takes less than a second here",
}


class Failure(Exception):
    """The check cannot go on."""


class System:
    """The processes, and the folder of their logs."""

    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.processes = {}
        # Held while something is started, so that nothing is once all has been stopped.
        self.lock, self.stopping = threading.Lock(), False

    def start(self, name, command, **settings):
        """Starts it with these settings and none of whoever calls this, in place of one of that name that ended."""
        environment = {"PATH": os.environ["PATH"], **settings}
        with self.lock, open(self.folder / f"{name}.log", "ab") as log:
            if not self.stopping:
                self.processes[name] = subprocess.Popen(
                    [str(part) for part in command], stdout=log, stderr=log, cwd=self.folder, env=environment
                )

    def stop(self):
        """In the order that lets callers have their answers: the last one started first."""
        with self.lock:
            self.stopping = True
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def last_words(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]


def free_ports(number):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listener.getsockname()[1] for listener in listeners]


def get(url, body=None, timeout=10):
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=timeout) as answer:
        return answer.read().decode()


def until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if condition():
                return
        time.sleep(0.1)
    raise Failure(f"after {seconds} s still not so: {what}")


class Redis:
    """A connection to Redis of our own, for the faults."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.answers = self.connection.makefile("rb")

    def ask(self, *words):
        parts = [str(word).encode() for word in words]
        self.connection.sendall(
            b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        )
        return self.read()

    def read(self):
        line = self.answers.readline().rstrip(b"\r\n").decode()
        kind, rest = line[:1], line[1:]
        if kind == "-":
            raise Failure(f"Redis says {rest}")
        if kind == "$":
            return None if rest == "-1" else self.answers.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == "*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == ":" else rest


class Forecasts:
    """Callers with special wishes. Each asks in a thread of its own."""

    def __init__(self, urls):
        self.urls, self.threads, self.answers = urls, [], []

    def ask(self, city, ingress=0, timeout=20.0):
        def call():
            body = json.dumps({"city": city, "location": "Centre"}).encode()
            request = urllib.request.Request(
                f"{self.urls[ingress]}/WeatherForecast/city", data=body, headers={"content-type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=timeout) as answer:
                    self.answers.append(answer.status)
            except urllib.error.HTTPError as error:
                self.answers.append(error.code)
            except OSError:
                self.answers.append("left")

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        self.threads.append(thread)

    def wait(self):
        for thread in self.threads:
            thread.join(25)


def prometheus_configuration(targets, folder):
    """The cluster's scrape configuration with its pods given by hand, labelled as Kubernetes labels them, and the
    rules. Only how pods are found and how often they are asked is another than in the cluster."""
    configuration = yaml.safe_load((ROOT / "monitoring/prometheus-k8s.yaml").read_text())
    configuration["global"] = {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL}
    configuration["rule_files"] = [str(folder / "rules.yaml")]
    for job in configuration["scrape_configs"]:
        del job["kubernetes_sd_configs"]
        job["static_configs"] = [
            {
                "targets": [f"127.0.0.1:{pod['port']}"],
                "labels": {
                    "__meta_kubernetes_pod_label_app": pod["app"],
                    "__meta_kubernetes_pod_name": pod["name"],
                    "__meta_kubernetes_pod_phase": pod.get("phase", "Running"),
                    "__meta_kubernetes_pod_container_port_name": pod["port_name"],
                    "__meta_kubernetes_pod_container_port_number": str(pod.get("port_number", pod["port"])),
                },
            }
            for pod in targets
        ]
    rules = yaml.safe_load((ROOT / "monitoring/rules.yaml").read_text())
    for group in rules["groups"]:
        group.pop("interval", None)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))


class Prometheus:
    def __init__(self, url):
        self.url = url

    def ask(self, path, **parameters):
        try:
            answer = json.loads(get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"))
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read().decode())
        if answer["status"] != "success":
            raise Failure(f"Prometheus says {answer['error']}")
        return answer["data"]

    def values(self, expr, begin, end):
        """How many series it returned in that time, and all finite values of theirs."""
        expr = expr.replace("$__rate_interval", RATE_INTERVAL)
        series = self.ask("query_range", query=expr, start=begin, end=end, step=2)["result"]
        values = [float(value) for one in series for _, value in one["values"]]
        return len(series), [value for value in values if math.isfinite(value)]


def run(system, ports):
    """Starts the system, loads and harms it, and returns Prometheus, and when the load began and the harm ended."""
    arguments, folder = system.arguments, system.folder
    redis_port, exporter, prometheus_port, *services = ports
    names = ("proxy-1", "proxy-2", "ingress-1", "ingress-2")
    listen = {name: services[2 * i : 2 * i + 2] for i, name in enumerate(names)}
    redis_url = f"redis://127.0.0.1:{redis_port}"

    # A slow log and latency events that ordinary commands get into, or their panels would show nothing.
    system.start("redis", [
        arguments.redis_server, "--bind", "127.0.0.1", "--port", redis_port, "--dir", folder, "--save", "",
        "--appendonly", "yes", "--maxmemory", "64mb", "--maxmemory-policy", "noeviction",
        "--slowlog-log-slower-than", "200", "--latency-monitor-threshold", "1",
    ])
    until("Redis answers", lambda: Redis(redis_port).ask("PING") == "PONG")
    redis = Redis(redis_port)

    def service(name, **settings):
        public, admin = listen[name]
        addresses = {"LISTEN": f"127.0.0.1:{public}", "ADMIN_LISTEN": f"127.0.0.1:{admin}", "REDIS_URL": redis_url}
        system.start(name, [arguments.programs / name.split("-")[0]], **addresses, **settings)

    def proxy(name):
        service(
            name, PROCESSING_TIME="50ms", SIMULATED_FAULTS="true", SIMULATED_FAILURE_RATE="0.02",
            SIMULATED_SLOW_RATE="0.02", SIMULATED_SLOW_TIME="2500ms", LEASE="1s", MAX_DELIVERIES="2",
            DRAIN_TIMEOUT="100ms",
        )

    def keep_proxies():
        """What a cluster does: one that ended is started again."""
        while not system.stopping:
            for name in ("proxy-1", "proxy-2"):
                if system.processes[name].poll() is not None:
                    proxy(name)
            time.sleep(0.5)

    proxy("proxy-1")
    proxy("proxy-2")
    # The first one sends its spans to where nobody listens, the second one takes few at once, so that it refuses in a
    # burst.
    service("ingress-1", REQUEST_TIMEOUT="5s", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    service("ingress-2", REQUEST_TIMEOUT="5s", MAX_IN_FLIGHT="10")
    for name, (_, admin) in listen.items():
        until(f"{name} is ready", lambda admin=admin: get(f"http://127.0.0.1:{admin}/health/ready"))
    threading.Thread(target=keep_proxies, daemon=True).start()

    system.start("exporter", [
        arguments.redis_exporter, "-redis.addr", redis_url, "-web.listen-address", f"127.0.0.1:{exporter}",
    ])
    pods = [
        {"app": f"{name.split('-')[0]}-service", "name": f"{name.split('-')[0]}-service-{name[-1]}", "port": port,
         "port_name": port_name}
        for name, pair in listen.items() for port, port_name in zip(pair, ("http", "admin"), strict=True)
    ]
    ended = {"app": "proxy-service", "name": "proxy-service-0", "port": 1, "port_name": "admin", "phase": "Failed"}
    prometheus_configuration([
        *pods, ended,
        {"app": "redis", "name": "redis-0", "port": redis_port, "port_name": "redis"},
        {"app": "redis-exporter", "name": "redis-exporter-1", "port": exporter, "port_name": "metrics"},
        {"app": "prometheus", "name": "prometheus-0", "port": prometheus_port, "port_name": "http",
         "port_number": 9090},
        {"app": "grafana", "name": "grafana-1", "port": 1, "port_name": "http"},
    ], folder)
    prometheus = Prometheus(f"http://127.0.0.1:{prometheus_port}")
    system.start("prometheus", [
        arguments.prometheus, f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}", "--log.level=warn",
    ])
    until("Prometheus is ready", lambda: "eady" in get(f"{prometheus.url}/-/ready"))
    until("Prometheus has scraped", lambda: prometheus.ask("query", query="count(up == 1) == 6")["result"])

    begin = time.time()
    for name in ("ingress-1", "ingress-2"):
        system.start(f"load-{name}", [
            arguments.programs / "loadtest", "--url", f"http://127.0.0.1:{listen[name][0]}", "--mode", "open",
            "--rate", "30", "--duration", f"{LOAD}s", "--min-success", "0", "--timeout", "8s",
        ])
    forecasts = Forecasts([f"http://127.0.0.1:{listen[name][0]}" for name in ("ingress-1", "ingress-2")])
    harm(system, redis, redis_port, f"http://127.0.0.1:{listen['proxy-2'][1]}", forecasts)
    time.sleep(max(0, begin + LOAD - time.time()))
    forecasts.wait()
    # The last points lie a scrape after the last event.
    time.sleep(3)
    return prometheus, listen, begin, time.time()


def harm(system, redis, redis_port, proxy_2, forecasts):
    """The faults, so that what counts them moves. One after another: the next begins when traffic flows again."""
    redis.ask("XADD", "weather-requests", "*", "no", "request")
    redis.ask("XADD", "weather-responses", "*", "no", "reply")
    redis.ask("SET", "somebody-elses", "x", "PX", "1")
    # A policy that may drop streams while nothing has to be dropped, and a snapshot that cannot be put in its place.
    # The proxies look every 15 s.
    redis.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    (system.folder / "dump.rdb").mkdir()
    redis.ask("BGSAVE")
    for city in ("fail!", "panic!", "hang!", ""):
        forecasts.ask(city)
    forecasts.ask("abort!")
    time.sleep(8)

    # A burst: some wait, some are refused, some leave.
    for i in range(300):
        forecasts.ask("Rome", ingress=i % 2, timeout=0.2 if i % 5 == 0 else 20)
    time.sleep(6)
    system.processes["proxy-1"].kill()
    time.sleep(3)
    # Longer than its lease, while it waits for requests: those that it is given meanwhile it may not begin any more. It
    # can happen to be full at that moment.
    for _ in range(8):
        stopped = system.processes["proxy-2"]
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        stopped.send_signal(signal.SIGCONT)
        time.sleep(1)
        if re.search(r"^requests_lapsed_total [1-9]", get(f"{proxy_2}/metrics"), re.MULTILINE):
            break

    redis.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    (system.folder / "dump.rdb").rmdir()
    redis.ask("BGSAVE")
    redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    time.sleep(2)
    # Out of memory: writes are refused and the circuit opens.
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    time.sleep(4)
    redis.ask("CONFIG", "SET", "maxmemory", "64mb")
    time.sleep(3)
    redis.ask("XGROUP", "DESTROY", "weather-requests", "weather-proxies")
    time.sleep(2)
    # A reply stream of another type: replies are refused.
    redis.ask("DEL", "weather-responses")
    redis.ask("SET", "weather-responses", "no stream")
    time.sleep(1)
    redis.ask("DEL", "weather-responses")
    redis.ask("BGREWRITEAOF")
    time.sleep(2)
    # Work that is not over when its proxy has to leave.
    for i in range(6):
        forecasts.ask("hang!", ingress=i % 2)
    time.sleep(0.5)
    system.processes["proxy-1"].terminate()
    time.sleep(4)

    bound = redis.ask("CONFIG", "GET", "maxclients")[1]
    redis.ask("CONFIG", "SET", "maxclients", "5")
    for _ in range(5):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", redis_port), timeout=1) as refused:
            refused.recv(100)
    redis.ask("CONFIG", "SET", "maxclients", bound)
    time.sleep(2)


def judge(name, queries, prometheus, begin, end):
    """Asks the queries of one panel or rule, prints a line, and says whether each passed."""
    told, passed = [], True
    for letter, expr in queries:
        try:
            series, values = prometheus.values(expr, begin, end)
        except Failure as failure:
            told.append(f"{letter} FAILED, {failure}: {expr}")
            passed = False
            continue
        if not values:
            told.append(f"{letter} FAILED, no data: {expr}")
            passed = False
        elif not any(values) and not any(metric in expr for metric in STILL):
            told.append(f"{letter} FAILED, nothing but zeros: {expr}")
            passed = False
        else:
            told.append(f"{letter} {series} series, up to {max(values):.4g}")
    print(f"{'ok  ' if passed else 'FAIL'} {name}: {'; '.join(told)}")
    return passed


def judge_all(prometheus, listen, begin, end):
    failed = []
    for file in DASHBOARDS:
        dashboard = json.loads((ROOT / f"monitoring/dashboards/{file}.json").read_text())
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                name = f"{dashboard['title']} / {panel['title']}"
                queries = [(target["refId"], target["expr"]) for target in panel["targets"]]
                failed += [] if judge(name, queries, prometheus, begin, end) else [name]
        for note in dashboard["annotations"]["list"]:
            if "expr" in note:
                name = f"{dashboard['title']} / annotation {note['name']}"
                failed += [] if judge(name, [("A", note["expr"])], prometheus, begin, end) else [name]

    groups = prometheus.ask("rules")["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        if rule["type"] == "recording":
            if not judge(f"rule {rule['name']}", [("A", rule["name"])], prometheus, begin, end):
                failed.append(rule["name"])
        if rule["health"] != "ok":
            print(f"FAIL rule {rule['name']}: {rule.get('lastError')}")
            failed.append(rule["name"])

    firing = 'count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[10m]))'
    fired = {one["metric"]["alertname"] for one in prometheus.ask("query", query=firing)["result"]}
    print("alerts that fired meanwhile:", ", ".join(sorted(fired)))

    # Each pod once, under its own name, and no other: those with another port, and the one that ended, are left out.
    targets = {(one["labels"]["job"], one["labels"]["instance"]) for one in prometheus.ask("targets")["activeTargets"]}
    expected = {(name.split("-")[0], f"{name.split('-')[0]}-service-{name[-1]}") for name in listen}
    expected |= {("redis", "redis-exporter-1"), ("prometheus", "prometheus-0")}
    right = targets == expected
    print(f"{'ok  ' if right else 'FAIL'} targets: {sorted(targets)}")
    return failed + ([] if right else ["targets"])


def lint(system, listen):
    """What Prometheus's own linter says of the names and texts on /metrics."""
    failed = []
    promtool = Path(system.arguments.prometheus).with_name("promtool")
    for name in ("ingress-1", "proxy-1"):
        text = get(f"http://127.0.0.1:{listen[name][1]}/metrics")
        said = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        words = (said.stdout + said.stderr).strip()
        print(f"{'FAIL' if said.returncode else 'ok  '} metrics of {name}: {words or 'nothing to say'}")
        failed += [f"metrics of {name}"] if said.returncode else []
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--programs", type=lambda path: ROOT / path, required=True)
    for program in ("redis-server", "prometheus", "redis-exporter"):
        parser.add_argument(f"--{program}", required=True)
    arguments = parser.parse_args()

    # Told to end, it stops what it started first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="check-dashboards-"))
    system = System(arguments, folder)
    try:
        prometheus, listen, begin, end = run(system, free_ports(11))
        print(f"load and faults are over after {end - begin:.0f} s")
        failed = judge_all(prometheus, listen, begin, end) + lint(system, listen)
    except Failure as failure:
        failed = [str(failure)]
        for name in system.processes:
            print(f"--- the end of {name}.log\n{system.last_words(name)}", file=sys.stderr)
    finally:
        system.stop()
        if arguments.keep:
            print(f"logs: {folder}")
        else:
            shutil.rmtree(folder)
    if failed:
        sys.exit(f"error: {len(failed)} failed: " + "; ".join(failed))
    print("every query returned data")


if __name__ == "__main__":
    main()
