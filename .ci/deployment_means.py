"""What a schema cannot know of the files in deploy/: that variables, ports, paths and metrics are the services' own."""

import pathlib
import re
import sys
import urllib.parse

import yaml

# Where each service reads its variables, what they begin with, and how it is called in contracts/openapi.yaml.
SERVICES = {
    "websocket-service": ("", "websocket", "src/websocket"),
    "api-gateway": ("API_GATEWAY_", "gateway", "src/gateway"),
}
# How long a service that is told to end may take (contract, Shutdown).
SHUTDOWN_SECONDS = 10

wrong = []


def expect(holds, sentence):
    if not holds:
        wrong.append(sentence)


def code(path):
    return pathlib.Path(path).read_text().split("#[cfg(test)]")[0]


def known_variables(prefix, folder):
    """Every name of a variable in the code that reads the environment."""
    shared = ["src/auth.rs", "src/telemetry.rs", "src/telemetry/otlp.rs"]
    names = set()
    for path in [f"{folder}/settings.rs", *shared]:
        # One that is read behind the service's prefix is written `format!("{prefix}NAME")`.
        names |= set(re.findall(r'"(?:\{\w+\})?([A-Z][A-Z0-9_]{2,})"', code(path)))
    return {prefix + name for name in names}


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


openapi = yaml.safe_load(pathlib.Path("contracts/openapi.yaml").read_text())


def contract_port(service):
    servers = [server for path in openapi["paths"].values() for server in path.get("servers", [])]
    urls = {server["url"] for server in servers if server["x-service"] == service}
    (url,) = urls
    return urllib.parse.urlsplit(url).port


def contract_paths(service):
    every = {server["x-service"] for server in openapi["servers"]}
    return {
        path
        for path, item in openapi["paths"].items()
        if service in {server["x-service"] for server in item.get("servers", [])} or service in every
    }


def check_service(place, name, environment, ports, paths):
    prefix, service, folder = SERVICES[name]
    port = contract_port(service)
    known = known_variables(prefix, folder)
    for variable in environment:
        expect(variable in known, f"{place}: {name} knows no variable {variable}")
    told = environment.get(("API_GATEWAY_" if prefix else "WEBSOCKET_") + "PORT")
    for given in [told, *ports]:
        expect(str(given) == str(port), f"{place}: the port of {name} is {port} in the contract, and {given} here")
    for path in paths:
        expect(path in contract_paths(service), f"{place}: the contract has no path {path} for {name}")


def check_compose(path):
    compose = yaml.safe_load(path.read_text())
    for name in SERVICES:
        service = compose["services"][name]
        probe = service["healthcheck"]["test"][-1]
        ports = re.findall(r"/dev/tcp/127.0.0.1/(\d+)", probe)
        check_service(path, name, service["environment"], ports, re.findall(r"GET (\S+) HTTP", probe))
        grace = seconds(service["stop_grace_period"])
        expect(grace > SHUTDOWN_SECONDS, f"{path}: {name} may take {SHUTDOWN_SECONDS} s to end, and gets {grace}")
    check_balancer(path, compose)


def check_balancer(path, compose):
    """The balancer's configuration gets each variable that it reads, and leads to every replica and to nobody else."""
    balancer = compose["services"]["balancer"]
    environment = balancer["environment"]
    read = set(re.findall(r'"\$\{(\w+)\}"', (path.parent / "haproxy.cfg").read_text()))
    expect(read == set(environment), f"{path}: haproxy.cfg reads {sorted(read)}, and gets {sorted(environment)}")
    led_to = {value for name, value in environment.items() if not name.endswith("_BIND")}
    replicas = set()
    for name, (_, service, _) in SERVICES.items():
        count = compose["services"][name]["deploy"]["replicas"]
        port = contract_port(service)
        replicas |= {f"{compose['name']}-{name}-{number}:{port}" for number in range(1, count + 1)}
    expect(led_to == replicas, f"{path}: the balancer leads to {sorted(led_to)}; there are {sorted(replicas)}")


def check_kubernetes(path):
    kinds = {document["kind"]: document for document in documents(path)}
    name = kinds["Deployment"]["metadata"]["name"]
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    probes = [container["readinessProbe"]["httpGet"], container["livenessProbe"]["httpGet"]]
    scraped = kinds["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    ports = [port["containerPort"] for port in container["ports"]]
    ports += [port["port"] for port in kinds["Service"]["spec"]["ports"]]
    ports.append(scraped["prometheus.io/port"])
    paths = [probe["path"] for probe in probes] + [scraped["prometheus.io/path"]]
    check_service(path, name, environment, ports, paths)
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = pod["terminationGracePeriodSeconds"]
    needed = pause + SHUTDOWN_SECONDS
    expect(grace > needed, f"{path}: preStop and shutdown may take {needed} s, and the pod gets {grace}")
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    for kind, selector in [
        ("Deployment", kinds["Deployment"]["spec"]["selector"]["matchLabels"]),
        ("Service", kinds["Service"]["spec"]["selector"]),
        ("PodDisruptionBudget", kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]),
    ]:
        expect(selector.items() <= labels, f"{path}: the {kind} selects no pod of {name}")
    if "HorizontalPodAutoscaler" in kinds:
        scaler = kinds["HorizontalPodAutoscaler"]["spec"]
        expect(scaler["scaleTargetRef"]["name"] == name, f"{path}: the autoscaler is not about {name}")
        metrics = code(f"{SERVICES[name][2]}/metrics.rs")
        for metric in scaler["metrics"]:
            metric = metric["pods"]["metric"]["name"]
            expect(f'"{metric}"' in metrics, f"{path}: {name} has no metric {metric}")


check_compose(pathlib.Path("deploy/compose.yaml"))
manifests = sorted(pathlib.Path("deploy/kubernetes").glob("*.yaml"))
for manifest in manifests:
    check_kubernetes(manifest)
expect(
    {path.stem for path in manifests} == set(SERVICES),
    f"deploy/kubernetes has a file for each of {', '.join(SERVICES)}, and no other",
)

if wrong:
    sys.exit("\n".join(str(sentence) for sentence in wrong))
print("variables, ports, paths and metrics in deploy/ are the services' own")
