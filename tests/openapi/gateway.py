"""A real gateway in front of a simulated provider, with some calls behind it."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

PACELINE = os.environ["PACELINE_BIN"]
TOKEN = "0123456789abcdef-test"

CONFIGURATION = """
[admin]
token = "%s"
[prices]
provider = "openai"
[limits]
requests_per_minute = 100000
""" % TOKEN

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A subcommand of paceline that listens."""

    def __init__(self, folder, ready, *arguments):
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / f"{arguments[0]}.log"
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PACELINE, *arguments, "--listen", f"127.0.0.1:{port}"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                OPENER.open(self.address + ready, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"{arguments[0]} did not start: {self.log.read_text()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def call(address, tenant, session, stream):
    body = {
        "model": "gpt-4o-mini",
        "max_tokens": 20,
        "stream": stream,
        "messages": [{"role": "user", "content": "hello"}],
    }
    headers = {
        "authorization": "Bearer sk-test",
        "content-type": "application/json",
        "x-paceline-tenant": tenant,
        "x-paceline-session": session,
        "x-paceline-tags": "nightly,eval",
    }
    data = json.dumps(body).encode()
    request = urllib.request.Request(address + "/v1/chat/completions", data, headers)
    with OPENER.open(request, timeout=60) as answer:
        answer.read()


@contextlib.contextmanager
def running(folder):
    """The gateway, while the block runs."""
    (folder / "gateway.toml").write_text(CONFIGURATION)
    with contextlib.ExitStack() as servers:
        limits = ["--rpm", "1000000", "--tpm", "1000000000"]
        provider = Server(folder, "/_simulator/state", "provider", *limits)
        servers.callback(provider.stop)
        configuration = ["--config", str(folder / "gateway.toml"), "--state-dir", str(folder / "state")]
        upstream = ["--upstream", provider.address + "/v1"]
        gateway = Server(folder, "/readyz", "serve", *configuration, *upstream)
        servers.callback(gateway.stop)
        for tenant, session, stream in [("acme", "s-1", False), ("acme", "s-1", True), ("zeta", "s-2", False)]:
            call(gateway.address, tenant, session, stream)
        yield gateway
        if gateway.process.poll() is not None or "panicked" in gateway.log.read_text():
            raise RuntimeError(f"the gateway broke: {gateway.log.read_text()}")
