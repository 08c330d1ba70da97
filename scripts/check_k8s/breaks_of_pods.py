"""Breaks of what runs: settings, leaving, health, memory, images, security, the network, users, monitoring."""

from .breaks import breaks


@breaks("settings")
def a_setting_that_nobody_reads(broken, _):
    broken.settings()["REQUEST_TIME_OUT"] = "30s"


@breaks("settings")
def a_variable_that_the_other_program_reads(broken, _):
    broken.container("ingress-service")["env"].append({"name": "TERMINALS", "value": "5"})


@breaks("settings")
def a_value_that_is_refused(broken, _):
    broken.settings()["LEASE"] = "10"


@breaks("settings")
def a_number_without_quotes(broken, _):
    broken.settings()["TERMINALS"] = 5


@breaks("settings")
def a_port_that_is_not_listened_on(broken, _):
    broken.settings()["ADMIN_LISTEN"] = "0.0.0.0:9001"


@breaks("settings", "k8s with traces")
def a_name_that_comes_after_what_is_made_of_it(broken, _):
    env = broken.container("proxy-service")["env"]
    env.append(env.pop(next(place for place, each in enumerate(env) if each["name"] == "POD_NAME")))


@breaks("leaving")
def killed_while_it_drains(broken, _):
    broken.pod("proxy-service")["terminationGracePeriodSeconds"] = 30


@breaks("leaving")
def a_drain_shorter_than_a_request(broken, _):
    broken.settings()["DRAIN_TIMEOUT"] = "25s"


@breaks("leaving")
def a_rollout_with_fewer_pods(broken, _):
    broken.workload("ingress-service")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 1


@breaks("leaving")
def stopped_before_callers_are_led_elsewhere(broken, _):
    del broken.container("ingress-service")["lifecycle"]


@breaks("health")
def liveness_that_asks_redis(broken, _):
    broken.container("ingress-service")["livenessProbe"]["httpGet"]["path"] = "/health/ready"


@breaks("health")
def a_probe_on_the_callers_port(broken, _):
    broken.container("proxy-service")["readinessProbe"]["httpGet"]["port"] = "http"


@breaks("health")
def no_readiness(broken, _):
    del broken.container("redis")["readinessProbe"]


@breaks("memory")
def a_redis_that_outgrows_its_limit(broken, _):
    broken.container("redis")["args"] = ["--maxmemory", "1gb"]


@breaks("memory")
def a_redis_without_a_bound(broken, _):
    broken.container("redis")["args"] = []


@breaks("memory")
def a_redis_that_drops_what_waits(broken, _):
    data = broken.named("ConfigMap", "redis-config")["data"]
    data["redis.conf"] = data["redis.conf"].replace("noeviction", "allkeys-lru")


@breaks("memory")
def no_limit_of_memory(broken, _):
    del broken.container("grafana")["resources"]["limits"]


@breaks("memory")
def an_ingress_without_the_memory_for_its_callers(broken, _):
    broken.container("ingress-service")["resources"]["limits"]["memory"] = "256Mi"
    broken.container("ingress-service")["resources"]["requests"]["memory"] = "256Mi"


@breaks("memory")
def a_prometheus_that_fills_its_volume(broken, _):
    claim = broken.workload("prometheus")["spec"]["volumeClaimTemplates"][0]
    claim["spec"]["resources"]["requests"]["storage"] = "5Gi"


@breaks("single_node", "k8s/overlays/single-node")
def too_much_for_one_node(broken, _):
    broken.named("HorizontalPodAutoscaler", "ingress-service")["spec"]["maxReplicas"] = 10


@breaks("images")
def an_image_without_a_version(broken, _):
    broken.container("grafana")["image"] = "grafana/grafana:latest"


@breaks("images")
def an_image_that_is_always_pulled(broken, _):
    broken.container("ingress-service")["imagePullPolicy"] = "Always"


@breaks("images")
def an_image_of_another_version(broken, _):
    broken.container("ingress-service")["image"] = "redis-stream-demo/ingress:0.0.9"


@breaks("images")
def other_images_than_in_compose(broken, repository):
    repository.compose_images = ["redis:7.2.0"]


@breaks("restricted")
def a_pod_that_may_be_root(broken, _):
    del broken.pod("redis")["securityContext"]["runAsNonRoot"]


@breaks("restricted")
def a_pod_without_seccomp(broken, _):
    del broken.pod("grafana")["securityContext"]["seccompProfile"]


@breaks("restricted")
def an_init_container_with_capabilities(broken, _):
    del broken.pod("redis")["initContainers"][0]["securityContext"]["capabilities"]


@breaks("restricted")
def an_image_that_can_be_written_to(broken, _):
    broken.container("prometheus")["securityContext"]["readOnlyRootFilesystem"] = False


@breaks("restricted")
def a_token_that_nobody_needs(broken, _):
    broken.pod("proxy-service")["automountServiceAccountToken"] = True


@breaks("restricted")
def a_folder_of_the_node(broken, _):
    broken.pod("grafana")["volumes"][0] = {"name": "data", "hostPath": {"path": "/var/lib/grafana"}}


@breaks("restricted")
def variables_by_the_names_of_services(broken, _):
    del broken.pod("ingress-service")["enableServiceLinks"]


@breaks("restricted")
def a_secret_that_its_pod_cannot_read(broken, _):
    del broken.pod("ingress-service")["securityContext"]["fsGroup"]


@breaks("network_policies")
def redis_for_all_of_the_namespace(broken, _):
    broken.named("NetworkPolicy", "redis")["spec"]["ingress"][0]["from"].append({"podSelector": {}})


@breaks("network_policies")
def nothing_denied_in_monitoring(broken, _):
    broken.objects.remove(broken.named("NetworkPolicy", "default-deny", "monitoring"))


@breaks("network_policies")
def names_looked_up_by_udp_alone(broken, _):
    broken.named("NetworkPolicy", "dns")["spec"]["egress"][0]["ports"].pop()


@breaks("network_policies")
def metrics_from_a_prometheus_of_any_namespace(broken, _):
    for rule in broken.named("NetworkPolicy", "proxy-service")["spec"]["ingress"]:
        for peer in rule["from"]:
            peer["namespaceSelector"] = {}


@breaks("network_policies")
def a_policy_of_ports_without_peers(broken, _):
    del broken.named("NetworkPolicy", "ingress-service")["spec"]["ingress"][0]["from"]


@breaks("network_policies")
def redis_that_the_proxy_may_not_reach(broken, _):
    broken.named("NetworkPolicy", "proxy-service")["spec"]["egress"] = []


@breaks("network_policies", "k8s with open-meteo")
def the_private_network_for_the_proxies(broken, _):
    for peer in broken.named("NetworkPolicy", "proxy-service-to-open-meteo")["spec"]["egress"][0]["to"]:
        del peer["ipBlock"]["except"]


@breaks("network_policies", "k8s with open-meteo")
def the_internet_with_the_simulated_provider(broken, _):
    broken.container("proxy-service")["env"] = [
        each for each in broken.container("proxy-service")["env"] if each["name"] != "WEATHER_PROVIDER"]


@breaks("network_policies", "k8s with traces")
def traces_to_any_namespace(broken, _):
    policy = broken.named("NetworkPolicy", "to-trace-collector")
    policy["spec"]["egress"][0]["to"][0]["namespaceSelector"] = {}


@breaks("checksums")
def a_setting_changed_and_no_pod_replaced(broken, _):
    broken.settings()["TERMINALS"] = "6"


@breaks("checksums")
def a_redis_conf_changed_and_no_pod_replaced(broken, _):
    broken.named("ConfigMap", "redis-config")["data"]["redis.conf"] += "\n"


@breaks("redis_users")
def a_right_more_than_documented(broken, _):
    broken.acl("+xreadgroup", "+xreadgroup +flushall")


@breaks("redis_users")
def a_user_without_a_password(broken, _):
    broken.acl(">SCALER_PASSWORD", "nopass")


@breaks("redis_users")
def a_default_user_who_gets_in(broken, _):
    broken.acl("user default off", "user default on nopass")


@breaks("redis_users")
def a_user_whom_the_init_container_forgets(broken, _):
    data = broken.named("ConfigMap", "redis-config")["data"]
    data["make-users.sh"] = data["make-users.sh"].replace(" operator", "", 1)


@breaks("redis_users")
def a_service_that_comes_as_nobody(broken, _):
    for variable in broken.container("proxy-service")["env"]:
        if variable["name"] == "REDIS_USERNAME":
            variable["value"] = "worker"


@breaks("discovery")
def a_look_into_every_namespace(broken, _):
    config = broken.named("ConfigMap", "prometheus-config", "monitoring")["data"]
    config["prometheus.yaml"] = config["prometheus.yaml"].replace("names: [redis-stream-demo, monitoring]", "names: []")


@breaks("discovery")
def a_port_that_the_jobs_do_not_find(broken, _):
    broken.container("redis-exporter")["ports"][0]["name"] = "metric"


@breaks("discovery")
def nobody_lets_prometheus_look(broken, _):
    broken.objects.remove(broken.named("RoleBinding", "prometheus"))


@breaks("dashboards")
def a_data_source_that_is_not_provisioned(broken, _):
    shown = broken.named("ConfigMap", "grafana-dashboards", "monitoring")
    shown["data"] = {"x.json": '{"panels": [{"datasource": {"type": "prometheus", "uid": "other"}}]}'}
