"""What the whole-process benchmarks share: servers on free loopback ports, load by wrk, processor time."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")

BODY = (
    '{"model":"gpt-4o-mini","max_tokens":16,"stream":%s,"messages":[{"role":"system","content":'
    '"You answer briefly."},{"role":"user","content":"%s"}]}'
)
PROMPT = "Summarise what a rate limiter does and why a queue in front of it helps. " * 12

WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer sk-bench"
wrk.body = [[%s]]
done = function(summary, latency)
  print(string.format("FIGURES %%d %%d %%d %%d %%d %%d",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""

# Limits that are decided on every call and never reached.
LIMITS = """
[limits]
requests_per_minute = 100000000
requests_per_day = 100000000000
tokens_per_minute = 100000000000
tokens_per_day = 100000000000000
concurrency = 10000
window = "bucket"
[log]
level = "warn"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def family(pid):
    """The process and its children: nginx and Postgres work in children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory_mib(pid):
    total = 0
    for member in family(pid):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{member}/status").read_text())
        total += int(found.group(1)) if found else 0
    return total / 1024


class Processes:
    """Servers that run until they are stopped, in reverse order."""

    def __init__(self, work):
        self.work = work
        self.running = []

    def start(self, command, name, port, variables=None):
        log = open(self.work / f"{name}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(variables or {})})
        self.running.append(process)
        wait_for(port)
        return process.pid

    def stop(self):
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(timeout=20)


def wrk(port, connections, seconds, script):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script),
               f"http://127.0.0.1:{port}/v1/chat/completions"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if not numbers:
        sys.exit(f"wrk said nothing that is understood:\n{text}")
    requests, duration_us, p50, p99, bad_status, broken = map(int, numbers.groups())
    if bad_status or broken:
        sys.exit(f"{bad_status} answers with an error status, {broken} broken connections")
    return {"rps": requests / (duration_us / 1e6), "p50": p50, "p99": p99, "requests": requests}
