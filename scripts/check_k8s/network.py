"""Evaluates the network policies as Kubernetes means them, and holds them against the matrix of who may reach whom."""

import dataclasses
import ipaddress


@dataclasses.dataclass(frozen=True)
class Place:
    """Somewhere that sends or is sent to: a pod, or an address outside of the cluster."""

    name: str
    namespace: str = ""
    labels: tuple = ()
    address: str = ""


def pod(name, namespace, **labels):
    return Place(name, namespace, tuple(sorted((key.replace("__", "/").replace("_", "-"), value)
                                               for key, value in labels.items())))


# Labels of the namespaces that are not ours; each also has its name as one.
NAMESPACES = {"gateways": {"redis-stream-demo/ingress-controller": "true"},
              "observability": {"redis-stream-demo/trace-collector": "true"}}

# Who is there beside our pods. The strangers may do nothing, wherever they are and whatever they call themselves.
OTHERS = (
    pod("ingress-nginx", "ingress-nginx", app="controller"),
    Place("traefik", "kube-system", (("app.kubernetes.io/name", "traefik"),)),
    pod("labelled controller", "gateways", app="controller"),
    pod("dns", "kube-system", k8s_app="kube-dns"),
    pod("keda", "keda", app="keda-operator"),
    pod("collector", "observability", app="collector"),
    pod("another in kube-system", "kube-system", app="stranger"),
    pod("stranger", "default", app="stranger"),
    pod("stranger in our namespace", "redis-stream-demo", app="stranger"),
    pod("stranger in monitoring", "monitoring", app="stranger"),
    Place("impostor", "default", (("app", "ingress-service"), ("app.kubernetes.io/instance", "redis-stream-demo"))),
    Place("false Prometheus", "default", (("app", "prometheus"), ("app.kubernetes.io/instance", "redis-stream-demo"))),
    Place("internet", address="93.184.215.14"),
    Place("internet by IPv6", address="2606:2800:21f:cb07:6820:80da:af6b:8b2c"),
    Place("private network", address="192.168.7.7"),
    Place("cloud metadata", address="169.254.169.254"),
    Place("dns on the node", address="169.254.20.10"),
)

CONTROLLERS = ("ingress-nginx", "traefik", "labelled controller")
API_SERVER_PORTS = ("TCP/443", "TCP/6443", "TCP/8443", "TCP/16443")
DNS = ("UDP/53", "TCP/53")

# Every port that anything here listens on, and some that nothing does.
PORTS = ("TCP/6379", "TCP/5009", "TCP/5010", "TCP/9000", "TCP/9121", "TCP/9090", "TCP/3000", "TCP/4318", "TCP/80", "TCP/22",
         "UDP/443", *API_SERVER_PORTS, *DNS)


def rows(kinds):
    """Who may reach whom, as (from, to, ports); whatever is not in here is denied."""
    found = [
        (("ingress-service", "proxy-service", "redis-exporter"), ("redis",), ("TCP/6379",)),
        (CONTROLLERS, ("ingress-service",), ("TCP/5009",)),
        (("prometheus",), ("ingress-service", "proxy-service"), ("TCP/9000",)),
        (("prometheus",), ("redis-exporter",), ("TCP/9121",)),
        (("grafana",), ("prometheus",), ("TCP/9090",)),
        (("ingress-service", "proxy-service", "redis-exporter", "prometheus", "grafana"),
         ("dns", "dns on the node"), DNS),
    ]
    if "ScaledObject" in kinds:
        found.append((("keda",), ("redis",), ("TCP/6379",)))
    if "open-meteo" in kinds:
        found.append((("proxy-service",), ("internet", "internet by IPv6"), ("TCP/443",)))
    if "traces" in kinds:
        found.append((("ingress-service", "proxy-service"), ("collector",), ("TCP/4318",)))
    return found


def compare(workloads, policies, kinds):
    """Lines for what the policies allow and should not, or deny and should not.

    Each end is looked at for itself: what lets a stranger in is wrong also while another policy keeps him from leaving.
    """
    pods = [Place(name, namespace, tuple(sorted(labels.items()))) for name, namespace, labels in workloads]
    places = [*pods, *OTHERS]
    names = {place.namespace for place in places if place.namespace}
    namespaces = {name: {"kubernetes.io/metadata.name": name, **NAMESPACES.get(name, {})} for name in names}
    wanted = {(a, b, port) for sources, targets, ports in rows(kinds) for a in sources for b in targets
              for port in ports}
    for source in places:
        for target in places:
            for port in PORTS if source is not target else ():
                may = (source.name, target.name, port) in wanted
                # For discovery: the address of the API server is not known, its ports are.
                may_leave = may or source.name == "prometheus" and port in API_SERVER_PORTS
                leaves = passes("Egress", "egress", "to", source, target, port, policies, namespaces)
                enters = passes("Ingress", "ingress", "from", target, source, port, policies, namespaces)
                if source in pods and leaves != may_leave:
                    yield f"{source.name} {'may' if leaves else 'may not'} send to {target.name} on {port}"
                if target in pods and enters != may:
                    yield f"{source.name} {'is' if enters else 'is not'} let in to {target.name} on {port}"


def passes(kind, rules, peers, place, other, port, policies, namespaces):
    """Whether the policies of a place let it send (Egress) or be sent to (Ingress). None of that kind: yes."""
    mine = [
        policy["spec"]
        for policy in policies
        if policy["metadata"]["namespace"] == place.namespace
        and selects(policy["spec"]["podSelector"], dict(place.labels))
        and kind in policy["spec"].get("policyTypes", ["Ingress"])
    ]
    if not mine:
        return True
    return any(
        port_matches(rule.get("ports"), port)
        and (not rule.get(peers) or any(peer_matches(peer, place, other, namespaces) for peer in rule[peers]))
        for spec in mine
        for rule in spec.get(rules) or []
    )


def port_matches(ports, port):
    protocol, number = port.split("/")
    return not ports or any(
        each.get("protocol", "TCP") == protocol and each.get("port", int(number)) == int(number) for each in ports
    )


def peer_matches(peer, place, other, namespaces):
    if "ipBlock" in peer:
        if not other.address:
            return False
        address = ipaddress.ip_address(other.address)
        block = peer["ipBlock"]
        return within(address, block["cidr"]) and not any(within(address, each) for each in block.get("except", []))
    if other.address:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], namespaces[other.namespace]):
            return False
    elif other.namespace != place.namespace:
        return False
    return selects(peer.get("podSelector", {}), dict(other.labels))


def within(address, cidr):
    network = ipaddress.ip_network(cidr)
    return address.version == network.version and address in network


def selects(selector, labels):
    """Whether a label selector takes these labels; an empty one takes all."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions") or []:
        there, among = term["key"] in labels, labels.get(term["key"]) in term.get("values", [])
        holds = {"In": there and among, "NotIn": not (there and among), "Exists": there, "DoesNotExist": not there}
        if not holds[term["operator"]]:
            return False
    return True
