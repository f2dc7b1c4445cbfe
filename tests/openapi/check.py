"""The admin plane against its own description, with requests that a machine thinks up.

Each operation is called with parameters that fit their schemas, with values at their borders and with
ones that do not fit. Whatever comes, the answer must be documented: its status, its media type, its
body; never a server error; never an answer without the token; and never a success for what the schema
forbids.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import gateway

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ignored_auth",
    "unsupported_method",
]

# The feed does not end, so that there is no whole answer to check, and the chat passes on what a
# provider answers; Rust tests read both.
ELSEWHERE = ["/monitoring/events", "/dashboard/chat/completions"]


def command(address):
    tester = pathlib.Path(sys.executable).with_name("schemathesis")
    return [
        str(tester),
        "run",
        address + "/openapi.json",
        "--header",
        f"Authorization: Bearer {gateway.TOKEN}",
        "--checks",
        ",".join(CHECKS),
        *[word for path in ELSEWHERE for word in ("--exclude-path", path)],
        "--phases",
        "examples,coverage,fuzzing",
        "--mode",
        "all",
        "--max-examples",
        os.environ.get("OPENAPI_EXAMPLES", "30"),
        "--generation-deterministic",
        "--request-timeout",
        "60",
        "--no-color",
    ]


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with gateway.running(folder) as server:
            tested = subprocess.run(command(server.address), cwd=folder, check=False)
        return tested.returncode


if __name__ == "__main__":
    sys.exit(main())
