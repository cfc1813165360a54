"""What the schemas of the deployment files cannot tell: that they fit each other, the program and the landing page.

usage: deploy-files.py [PROGRAM]   with the built program, its settings are compared, too
"""

import html
import json
import pathlib
import re
import subprocess
import sys
import tomllib

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
USER = 65532
DRAIN = 75  # seconds the program may take to leave
CHECKS = []


def check(title):
    def add(function):
        CHECKS.append((title, function))
        return function

    return add


def same(what, found, wanted):
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


def yaml(path):
    return YAML(typ="safe").load(path)


def read(name):
    return (DEPLOY / name).read_text()


def manifest(name):
    return yaml(DEPLOY / "kubernetes" / f"{name}.yaml")


def compose():
    whole = yaml(DEPLOY / "compose.yaml")
    servers = {name: service for name, service in whole["services"].items() if service["image"].startswith("truedy-mcp:")}
    assert servers, "no replica"
    return whole, servers


def dockerfile():
    """Its instructions, each on one line."""
    lines = [line for line in read("Dockerfile").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [line.split(None, 1) for line in joined.splitlines() if line.strip()]


def instruction(name):
    found = [rest for word, rest in dockerfile() if word == name]
    assert found, f"no {name}"
    return found[-1]


def seconds(text):
    match = re.fullmatch(r"(\d+)s", text)
    assert match, f"{text!r} is not in seconds"
    return int(match[1])


# --- Kubernetes ---------------------------------------------------------------------------------------------------


def pod():
    return manifest("deployment")["spec"]["template"]["spec"]


def container():
    (only,) = pod()["containers"]
    return only


@check("kustomization.yaml names every manifest but the example")
def _():
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    listed = manifest("kustomization")["resources"]
    same("resources", sorted(listed), sorted(files - {"kustomization.yaml", "secret.example.yaml"}))


@check("all selectors fit the pods")
def _():
    deployment = manifest("deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    same("Deployment", deployment["selector"]["matchLabels"], labels)
    same("Service", manifest("service")["spec"]["selector"], labels)
    same("PodDisruptionBudget", manifest("poddisruptionbudget")["spec"]["selector"]["matchLabels"], labels)
    same("NetworkPolicy", manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"], labels)
    for constraint in pod()["topologySpreadConstraints"]:
        same("topologySpreadConstraints", constraint["labelSelector"]["matchLabels"], labels)


@check("the port is the same from the ingress to the program")
def _():
    (port,) = container()["ports"]
    (served,) = manifest("service")["spec"]["ports"]
    same("targetPort", served["targetPort"], port["name"])
    environment = {entry["name"]: entry.get("value") for entry in container()["env"]}
    same("TRUEDY_MCP_LISTEN", environment["TRUEDY_MCP_LISTEN"], f"0.0.0.0:{port['containerPort']}")
    (rule,) = manifest("networkpolicy")["spec"]["ingress"]
    same("NetworkPolicy", [entry["port"] for entry in rule["ports"]], [port["containerPort"]])
    same("EXPOSE", instruction("EXPOSE"), str(port["containerPort"]))


@check("the replicas are counted right in Kubernetes")
def _():
    spec = manifest("deployment")["spec"]
    settings = manifest("configmap")["data"]
    assert spec["replicas"] > 1
    same("TRUEDY_MCP_REPLICAS", settings["TRUEDY_MCP_REPLICAS"], str(spec["replicas"]))
    same("maxSurge", spec["strategy"]["rollingUpdate"]["maxSurge"], 0)
    assert manifest("poddisruptionbudget")["spec"]["minAvailable"] < spec["replicas"]


@check("a pod has no right that it does not need")
def _():
    whole, only = pod()["securityContext"], container()["securityContext"]
    same("runAsNonRoot", whole["runAsNonRoot"], True)
    same("user and groups", [whole[key] for key in ("runAsUser", "runAsGroup", "fsGroup")], [USER] * 3)
    same("seccomp", whole["seccompProfile"]["type"], "RuntimeDefault")
    same("readOnlyRootFilesystem", only["readOnlyRootFilesystem"], True)
    same("allowPrivilegeEscalation", only["allowPrivilegeEscalation"], False)
    same("capabilities", only["capabilities"], {"drop": ["ALL"]})
    same("automountServiceAccountToken", pod()["automountServiceAccountToken"], False)
    same("enableServiceLinks", pod()["enableServiceLinks"], False)
    labels = manifest("namespace")["metadata"]["labels"]
    same("the namespace", labels["pod-security.kubernetes.io/enforce"], "restricted")


@check("a pod has the time to finish its changes, and is probed by the program itself")
def _():
    assert pod()["terminationGracePeriodSeconds"] >= DRAIN
    for probe, what in [("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")]:
        same(probe, container()[probe]["exec"]["command"], ["/truedy-mcp", "probe", what])


@check("the secrets are mounted where the program looks, and private")
def _():
    example = manifest("secret.example")
    (volume,) = [volume["secret"] for volume in pod()["volumes"] if "secret" in volume]
    (mount,) = [mount for mount in container()["volumeMounts"] if mount["name"] == "secrets"]
    same("secretName", volume["secretName"], example["metadata"]["name"])
    # The loader is of YAML 1.2, Kubernetes reads 1.1: what is written counts.
    assert "defaultMode: 0440\n" in (DEPLOY / "kubernetes/deployment.yaml").read_text(), "defaultMode is not 0440"
    used = set()
    for entry in container()["env"]:
        if "valueFrom" in entry:
            used.add(entry["valueFrom"]["secretKeyRef"]["key"])
        elif entry["value"].startswith(mount["mountPath"]):
            used.add(entry["value"].removeprefix(mount["mountPath"] + "/"))
    mounted = {item["path"] for item in volume["items"]}
    same("keys of the Secret", set(example["stringData"]), used)
    assert mounted < used, "what is mounted and what is looked for differ"


@check("the example of a Secret is of no use as it is")
def _():
    values = manifest("secret.example")["stringData"]
    same("the API key", values.pop("api-key"), "your key")  # which the program knows to be none
    for key, value in values.items():
        assert value.startswith("REPLACE-WITH-"), f"{key} looks real"
    assert len(values["state-key"]) < 32, "the program would take that state key"


# --- Compose and nginx --------------------------------------------------------------------------------------------


@check("the replicas are counted right in Compose, and nginx knows each")
def _():
    whole, servers = compose()
    for name, service in servers.items():
        same(name, service["environment"]["TRUEDY_MCP_REPLICAS"], str(len(servers)))
    upstreams = re.findall(r"^\s*server ([\w-]+):8080 ", read("nginx.conf"), re.M)
    same("nginx", sorted(upstreams), sorted(servers))
    addresses = [f"{name}:{service['networks']['front']['ipv4_address']}" for name, service in servers.items()]
    same("extra_hosts", whole["services"]["proxy"]["extra_hosts"], addresses)


@check("no container has a right that it does not need")
def _():
    whole, servers = compose()
    for name, service in whole["services"].items():
        same(f"{name}: read_only", service["read_only"], True)
        same(f"{name}: cap_drop", service["cap_drop"], ["ALL"])
        same(f"{name}: security_opt", service["security_opt"], ["no-new-privileges:true"])
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), f"{name} runs as {service['user']}"
        assert "healthcheck" in service and "mem_limit" in service and "pids_limit" in service, name
        assert "privileged" not in service and "cap_add" not in service, name
        assert (name == "proxy") == ("ports" in service), f"{name}: published ports"
    for name, service in servers.items():
        same(f"{name}: user", service["user"], f"{USER}:{USER}")
        assert seconds(service["stop_grace_period"]) > DRAIN, name
    same("back", whole["networks"]["back"]["internal"], True)
    same("the database", whole["services"]["database"]["networks"], ["back"])


@check("no secret is written into compose.yaml, and none can be committed or get into the image")
def _():
    whole, _ = compose()
    for name, service in whole["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search("KEY|PASS|TOKEN", variable):
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", value), f"{name}: {variable} holds a password"
        assert set(service.get("secrets", [])) <= set(whole["secrets"]), name
    private = [entry["file"] for entry in whole["secrets"].values()]
    private += ["tls/privkey.pem", ".env", "kubernetes/secret.yaml"]
    for file in private:
        ignored = subprocess.run(["git", "check-ignore", "-q", file], cwd=DEPLOY)
        same(f"git ignores {file}", ignored.returncode, 0)
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    same("the first of .dockerignore", patterns[0], "*")
    assert not [pattern for pattern in patterns if "deploy" in pattern], "deploy/ is let into the image"


@check("nginx waits as long as an answer may be silent, and never repeats a POST")
def _():
    text = re.sub(r"#.*", "", read("nginx.conf"))
    waits = re.search(r"proxy_read_timeout (\d+)s;", text)
    assert waits and int(waits[1]) > 150, "proxy_read_timeout"
    assert "non_idempotent" not in text
    for sticky in ("ip_hash", "hash ", "sticky", "least_conn"):
        assert sticky not in text, sticky
    same("TLS", re.findall(r"ssl_protocols ([^;]*);", text), ["TLSv1.2 TLSv1.3"])


# --- the image ----------------------------------------------------------------------------------------------------


@check("the image runs the program alone, as nobody, and holds what it needs")
def _():
    same("USER", instruction("USER"), f"{USER}:{USER}")
    same("STOPSIGNAL", instruction("STOPSIGNAL"), "SIGTERM")
    same("ENTRYPOINT", json.loads(instruction("ENTRYPOINT")), ["/truedy-mcp"])
    same("CMD", json.loads(instruction("CMD")), ["http"])
    health = instruction("HEALTHCHECK").split("CMD", 1)[1]
    same("HEALTHCHECK", json.loads(health), ["/truedy-mcp", "probe", "ready"])
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    for word, rest in dockerfile():
        assert word != "ADD" and word != "ARG", word
        if word == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), f"there is no {source}"
                assert f"!{source}" in patterns, f".dockerignore keeps {source} out"
    build = next(rest for word, rest in dockerfile() if word == "RUN")
    assert "cargo build --release --locked" in build


@check("the compiler is new enough, and the version is the same everywhere")
def _():
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    used = re.match(r"rust:(\d+)\.(\d+)\.\d+-", next(rest for word, rest in dockerfile() if word == "FROM"))
    assert used, "the compiler is not pinned"
    assert (int(used[1]), int(used[2])) >= tuple(map(int, package["rust-version"].split(".")[:2]))
    version = package["version"]
    assert f'image.version="{version}"' in instruction("LABEL"), "LABEL"
    assert f"-t truedy-mcp:{version} ." in read("Dockerfile"), "Dockerfile"
    for name, service in compose()[1].items():
        same(name, service["image"], f"truedy-mcp:{version}")
    (image,) = manifest("kustomization")["images"]
    same("kustomization.yaml", image["newTag"], version)
    same("deployment.yaml", container()["image"], f"{image['name']}:{version}")


# --- the landing page ---------------------------------------------------------------------------------------------

PAGE = ROOT / "src/http/pages/landing.html"
VALUES = {"url": "https://mcp.example.com/mcp", "sse": "https://mcp.example.com/sse", "version": "0.1.0", "health": "ready", "purchase": "A purchase needs confirm: true.", "mode": "live", "mode_in_words": "Live", "vscode": "vscode:mcp/install?x", "cursor": "cursor://x"}


def page(values=VALUES):
    text = PAGE.read_text()
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


@check("the landing page loads nothing, runs one script of its own, and keeps to a strict policy")
def _():
    text = PAGE.read_text()
    assert len(text.encode()) < 12 * 1024, f"{len(text.encode())} bytes"
    same("style elements", len(re.findall(r"<style>", text)), 1)
    # The one script copies texts. The policy names it by its digest, which is checked in Chromium.
    scripts = re.findall(r"<script.*?</script>", text, re.S)
    same("script elements", len(re.findall(r"<script", text, re.I)), 1)
    assert scripts and scripts[0].startswith("<script>"), "the script has attributes"
    for reaches in ("fetch", "XMLHttp", "WebSocket", "import", "eval", "Function(", "innerHTML", "outerHTML", "insertAdjacent", "document.write", "document.cookie", "Storage", "location", "://"):
        assert reaches not in scripts[0], reaches
    text = text.replace(scripts[0], "")
    for forbidden in (r"<script", r"\sstyle\s*=", r"\son\w+\s*=", r"\ssrc\s*=", r"@import", r"url\(", r"<form", r"<iframe"):
        assert not re.search(forbidden, text, re.I), forbidden
    for link in re.findall(r"<link[^>]*>", text):
        assert 'href="data:' in link, link


@check("the landing page has the server's places and no others")
def _():
    same("places", set(re.findall(r"\{\{(.*?)\}\}", PAGE.read_text())), set(VALUES))
    same("around older clients", re.findall(r"^<!-- /?sse -->$", PAGE.read_text(), re.M), ["<!-- sse -->", "<!-- /sse -->"])
    without = re.sub(r"<!-- sse -->.*<!-- /sse -->", "", PAGE.read_text(), flags=re.S)
    assert "{{sse}}" not in without and "sse" not in without.lower(), "it speaks of SSE where there is none"


@check("the landing page is one document with a language, one main heading and links that lead somewhere")
def _():
    text = page()
    for wanted in ('<html lang="en">', '<meta charset="utf-8">', 'name="viewport"', "<main", "<title>"):
        assert wanted in text, wanted
    levels = [int(level) for level in re.findall(r"<h(\d)", text)]
    same("h1", levels.count(1), 1)
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:])), f"headings {levels}"
    ids = re.findall(r'\sid="([^"]+)"', text)
    same("ids", len(ids), len(set(ids)))
    for target in re.findall(r'href="#([^"]+)"', text):
        assert target in ids, f"#{target}"
    for element in ("section", "pre", "code", "p", "div", "nav", "main", "header", "footer", "h1", "h2", "h3", "a", "ul", "li", "dl", "dt", "dd"):
        same(element, len(re.findall(rf"<{element}[\s>]", text)), len(re.findall(rf"</{element}>", text)))


@check("what the landing page says to copy can be read by the clients, and holds no token")
def _():
    blocks = [html.unescape(re.sub(r"<[^>]+>", "", block)) for block in re.findall(r"<pre>(.*?)</pre>", page(), re.S)]
    assert len(blocks) > 6
    for block in blocks:
        if block.lstrip().startswith("{"):
            entry = json.loads(block)
            same("the server's name", list((entry.get("mcpServers") or entry.get("context_servers") or entry["servers"]).keys()), ["truedy"])
        elif block.lstrip().startswith("["):
            tomllib.loads(block)
        assert "example.com/mcp" in block or "example.com/sse" in block, block
    for token in re.findall(r"Bearer (\S+)", "\n".join(blocks)):
        assert token.startswith(("$", "your", "YOUR")), token


@check("deploy/README.md names every metric that the program counts, and no other")
def _():
    source = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.rs")))
    counted = set(re.findall(r'\b(?:counter|gauge|histogram)!\(\s*"(\w+)"', source))
    rows = re.findall(r"^\| (`.*?) \|", read("README.md"), re.M)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row) if "_" in name}
    same("metrics", sorted(named), sorted(counted))


# --- the program --------------------------------------------------------------------------------------------------


def settings_are_the_programs(program):
    told = "".join(subprocess.run([program, "help", page], capture_output=True, text=True, check=True).stdout for page in ("settings", "http-settings"))
    # A name may stand at the end of a line, with its bracket in the line before.
    known = set(re.findall(r"\[env:\s+([A-Z_]+)", told))
    known.add("TRUEDY_API_KEY")
    assert "TRUEDY_MCP_LISTEN" in known, "it says nothing of its settings"
    probes = subprocess.run([program, "probe", "--help"], capture_output=True, text=True, check=True).stdout
    for what in ["live", "ready"]:
        assert re.search(rf"^ *<WHAT> .*\b{what}\b", probes, re.M), f"it has no probe {what}"
    # What people are told to set for clients and for Compose.
    elsewhere = {"TRUEDY_MCP_TOKEN", "TRUEDY_HOST"}
    for path in [*DEPLOY.glob("*"), *(DEPLOY / "kubernetes").glob("*")]:
        if path.is_file():
            # Not TRUEDY_MCP_PORT, which a comment says is no setting.
            used = set(re.findall(r"\bTRUEDY_[A-Z_]*[A-Z]\b", path.read_text())) - {"TRUEDY_MCP_PORT"}
            assert used - elsewhere <= known, f"{path.name}: {sorted(used - elsewhere - known)}"


def main(arguments):
    if arguments:
        CHECKS.append(("every setting is one of the program's", lambda: settings_are_the_programs(arguments[0])))
    for title, function in CHECKS:
        try:
            function()
            print(f"ok: {title}")
        except Exception as error:  # a file that cannot be read is a failed check, too
            print(f"FAILED: {title}: {type(error).__name__}: {error}")


main(sys.argv[1:])
