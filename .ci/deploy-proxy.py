"""nginx with deploy/nginx.conf in front of two replicas that are played here: what it passes on, and what it never does.

usage: deploy-proxy.py FOLDER   an empty folder to work in; all of it is on loopback
"""

import http.client
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONFIG = pathlib.Path(__file__).resolve().parent.parent / "deploy/nginx.conf"
HOST = "mcp.example.com"
LIMIT = 256 * 1024
WAIT = 10  # seconds for whatever happens at once


class Replica(ThreadingHTTPServer):
    """Answers with what it was asked. `/break` gets no answer, `/events` a stream that stays open."""

    daemon_threads = True

    def __init__(self, port=0):
        self.asked = []
        self.open = threading.Event()
        self.connections = []
        super().__init__(("127.0.0.1", port), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    # As a process that ends: with the connections that nginx keeps, too.
    def leave(self):
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def handle_error(self, request, client_address):
        pass  # a connection that nginx closed


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        replica = self.server
        replica.asked.append((self.request_version, dict(self.headers)))
        if self.path == "/break":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"d\r\ndata: first\n\n\r\n")
            self.wfile.flush()
            replica.open.wait(WAIT)
            self.wfile.write(b"e\r\ndata: second\n\n\r\n0\r\n\r\n")
        else:
            answer = json.dumps({"replica": replica.port}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Failed(Exception):
    pass


def need(fact, why):
    if not fact:
        raise Failed(why)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Front:
    """nginx, with the addresses and folders of deploy/nginx.conf changed for those of here, and nothing else."""

    def __init__(self, folder, ports):
        self.folder, self.port, self.alive = folder, free_port(), free_port()
        text = CONFIG.read_text()
        changes = {
            "server truedy-1:8080": f"server 127.0.0.1:{ports[0]}",
            "server truedy-2:8080": f"server 127.0.0.1:{ports[1]}",
            "listen 8443": f"listen 127.0.0.1:{self.port}",
            "listen 127.0.0.1:8081": f"listen 127.0.0.1:{self.alive}",
            "/etc/nginx/tls/": f"{folder}/tls/",
            "/dev/stdout": f"{folder}/access.log",
            "/dev/stderr": f"{folder}/error.log",
            " /tmp/": f" {folder}/",
        }
        for found in changes:
            need(found in text, f"{found!r} is not in nginx.conf")
        text = re.sub("|".join(map(re.escape, changes)), lambda match: changes[match[0]], text)
        self.config = folder / "nginx.conf"
        self.config.write_text(text)
        (folder / "tls").mkdir()
        certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
        certificate += ["-addext", f"subjectAltName=DNS:{HOST}", "-keyout", folder / "tls/privkey.pem", "-out", folder / "tls/fullchain.pem"]
        subprocess.run(certificate, check=True, capture_output=True)
        self.process = None

    def command(self, *arguments):
        return ["nginx", "-e", str(self.folder / "start.log"), "-p", str(self.folder), "-c", str(self.config), *arguments]

    def start(self):
        self.process = subprocess.Popen(self.command("-g", "daemon off;"), stdin=subprocess.DEVNULL)
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                need(self.process.poll() is None, (self.folder / "start.log").read_text())
                time.sleep(0.05)
        raise Failed("it did not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(WAIT)

    def tls(self, protocols):
        context = ssl.create_default_context(cafile=str(self.folder / "tls/fullchain.pem"))
        context.set_alpn_protocols(protocols)
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), WAIT), server_hostname=HOST)

    def connection(self):
        connection = http.client.HTTPConnection(HOST, self.port)
        connection.sock = self.tls(["http/1.1"])
        connection.auto_open = False
        return connection

    def ask(self, method="POST", path="/mcp", body=b"{}", headers=None, connection=None):
        connection = connection or self.connection()
        connection.request(method, path, body, {"Host": HOST, **(headers or {})})
        answer = connection.getresponse()
        return answer, answer.read()


def main(folder):
    replicas = [Replica(), Replica()]
    first, second = replicas
    front = Front(folder, [first.port, second.port])

    def heard():
        return sum(len(replica.asked) for replica in replicas)

    def forget():
        for replica in replicas:
            replica.asked.clear()

    # nginx removes such a file at once, but warns of it.
    def on_disk():
        return [line for line in (folder / "error.log").read_text().splitlines() if "buffered to a temporary file" in line]

    def configuration():
        run = subprocess.run(front.command("-t"), capture_output=True, text=True)
        said = run.stdout + run.stderr
        need(run.returncode == 0 and "[warn]" not in said, said)
        front.start()

    def round_robin():
        connection = front.connection()
        answers = [json.loads(front.ask(connection=connection)[1])["replica"] for _ in range(4)]
        need(answers[0] != answers[1] and answers[:2] == answers[2:], f"replicas {answers}")

    def headers():
        forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Forwarded-Host": "evil.example"}
        forget()
        answer, _ = front.ask(headers={**forged, "Authorization": "Bearer abc", "MCP-Protocol-Version": "2026-07-28"})
        ((version, got),) = [asked for replica in replicas for asked in replica.asked]
        need(version == "HTTP/1.1" and "Connection" not in got, f"{version}, {got}")
        need(got["Host"] == HOST and got["Authorization"] == "Bearer abc" and got["MCP-Protocol-Version"], f"{got}")
        need("6.6.6.6" not in str(got) and "evil" not in str(got), f"what a client says of itself is passed on: {got}")
        need("max-age" in (answer.getheader("Strict-Transport-Security") or ""), "no Strict-Transport-Security")
        need(not re.search(r"\d", answer.getheader("Server")), "it tells its version")

    def two_protocols():
        with front.tls(["h2", "http/1.1"]) as connection:
            need(connection.selected_alpn_protocol() == "h2", f"{connection.selected_alpn_protocol()}")
            need(connection.version() == "TLSv1.3", connection.version())

    def size():
        answer, _ = front.ask(body=b"x" * LIMIT)
        need(answer.status == 200, f"{LIMIT} bytes: {answer.status}")
        forget()
        answer, _ = front.ask(body=b"x" * (LIMIT + 1))
        need(answer.status == 413 and heard() == 0, f"{LIMIT + 1} bytes: {answer.status}, {heard()} replicas heard of it")
        need(not on_disk(), f"a body was written to a file: {on_disk()}")

    def events():
        connection, began = front.connection(), time.monotonic()
        connection.request("POST", "/events", b"{}", {"Host": HOST})
        answer = connection.getresponse()
        need(answer.readline() == b"data: first\n", "the first event did not come")
        # Without help from here the answer would end by itself after WAIT, and the event come with the rest.
        need(time.monotonic() - began < WAIT / 2, "the first event came late")
        for replica in replicas:
            replica.open.set()
        need(b"second" in answer.read(), "the second event did not come")

    def once():
        forget()
        answer, _ = front.ask(path="/break")
        need(answer.status == 502, f"{answer.status}")
        need(heard() == 1, f"the replicas were asked {heard()} times")

    def again():
        forget()
        answer, _ = front.ask("GET", "/break", None)
        need(answer.status == 502 and heard() == 2, f"{answer.status}; the replicas were asked {heard()} times")

    def one_left():
        second.leave()
        time.sleep(0.2)
        for _ in range(6):
            answer, body = front.ask()
            need(answer.status == 200 and json.loads(body)["replica"] == first.port, f"{answer.status}")

    def logs():
        front.ask("GET", "/sse?session=hidden-in-the-query", None, {"Authorization": "Bearer hidden-in-a-header"})
        until = time.monotonic() + WAIT
        while "/sse" not in (folder / "access.log").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        text = (folder / "access.log").read_text()
        need("/sse" in text and "hidden" not in text, text)

    def health():
        connection = http.client.HTTPConnection("127.0.0.1", front.alive, timeout=WAIT)
        connection.request("GET", "/")
        need(connection.getresponse().status == 204, "its own health is not told")

    try:
        for title, function in [
            ("nginx takes its configuration without a warning", configuration),
            ("the requests of one client go to both replicas in turn", round_robin),
            ("a replica sees HTTP/1.1, the host and the token, and nothing a client says of its address", headers),
            ("clients are offered HTTP/2 and TLS 1.3", two_protocols),
            ("256 KiB pass and a byte more does not", size),
            ("an event passes while the answer is still open", events),
            ("a POST that a replica took without an answer is not repeated", once),
            ("a GET is asked of the other replica", again),
            ("a replica that is gone is passed over, for a POST too", one_left),
            ("neither queries nor headers are logged", logs),
            ("nginx tells its own health", health),
        ]:
            try:
                function()
                print(f"ok: {title}", flush=True)
            except Exception as error:  # whatever it is, the check failed
                print(f"FAILED: {title}: {type(error).__name__}: {error}", flush=True)
                if front.process is None:
                    return
    finally:
        front.stop()


main(pathlib.Path(sys.argv[1]).resolve())
