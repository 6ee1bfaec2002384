"""Runs schemathesis against the description of the API, with the real daemon and its demonstration house.

    GATEHOUSE_BIN=target/debug/gatehouse tests/api/.venv/bin/python tests/api/run.py [EXAMPLES]

Every described route is asked with data that fits the description and with data that does not, as an administrator.
Each answer has to be described, to look as described, and to be no failure of the gateway. The seed is
fixed, so that a change is judged by what it did.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

# Routes that are not asked, with the reason. The Rust tests have them all.
LEFT_OUT = {
    "/api/v1/events": "a stream that never ends",
    "/api/v1/messages/stream": "a stream that never ends",
    "/api/v1/restart": "ends the daemon",
    "/api/v1/restore": "puts another house in the place of this one",
}

# Checks that are not made, with the reason.
CHECKS_LEFT_OUT = {
    "ignored_auth": "it leaves our token beside the cookie that it makes up; api/tests/description.rs asks without",
    "positive_data_acceptance": "what JSON Schema cannot say (a name that is taken, a time in the past) is told with 409 or 422",
}

# Cases for each route in the phase with random data; the phase of edge cases has as many as the description gives.
EXAMPLES = 6
SEED = 20261122
# A name that no example of the description has: its password would be changed, and its tokens taken back.
NAME, PASSWORD = "overseer", "a lamp in the window"
START_LIMIT_S, STOP_LIMIT_S, RUN_LIMIT_S = 60, 15, 110
HERE = pathlib.Path(__file__).resolve().parent


def ask(url, path, body=None, token=None):
    request = urllib.request.Request(url + path, method="GET" if body is None else "POST")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        cookie = (answer.headers["Set-Cookie"] or "").split(";")[0]
        return json.load(answer), cookie


def make_token(url):
    """The token of an administrator. Some are made before it, since small numbers are tried with DELETE."""
    _, cookie = ask(url, "/api/v1/login", {"name": NAME, "password": PASSWORD})
    for number in range(20):
        body = json.dumps({"name": f"script{number}", "scope": "administer"}).encode()
        headers = {"Content-Type": "application/json", "Cookie": cookie}
        request = urllib.request.Request(url + "/api/v1/tokens", body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            secret = json.load(answer)["secret"]
    return secret


class Daemon:
    def __init__(self, binary, data):
        arguments = ["--data-dir", data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
        command = [binary, "run", "--demo", *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RUST_LOG")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.words, self.url, self.ready = [], None, threading.Event()
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=self.read, args=(stream,), daemon=True).start()
        if not self.ready.wait(START_LIMIT_S):
            self.process.kill()
            sys.exit("the daemon did not get ready:\n" + "".join(self.words))

    def read(self, stream):
        for line in stream:
            self.words.append(line)
            found = re.search(r"Dashboard:\s+(http://\S+?)/?\s*$", line)
            if found:
                self.url = found.group(1)
            if line.strip() == "Ready.":
                self.ready.set()
        self.ready.set()

    def stop(self):
        """Ends it, and gives what was wrong with it."""
        if self.process.poll() is not None:
            return f"the daemon ended by itself with code {self.process.returncode}"
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "the daemon did not stop"
        if code != 0:
            return f"the daemon stopped with code {code}"
        failures = [line for line in self.words if " ERROR " in line or "panicked" in line]
        return "the daemon's log has failures:\n" + "".join(failures[:20]) if failures else None


def main():
    binary = os.environ.get("GATEHOUSE_BIN") or sys.exit("GATEHOUSE_BIN has to name the daemon.")
    examples = sys.argv[1] if len(sys.argv) > 1 else str(EXAMPLES)
    with tempfile.TemporaryDirectory(prefix="gatehouse-api-") as data:
        subprocess.run(
            [binary, "user", "add", NAME, "--role", "admin", "--password-stdin", "--data-dir", data],
            input=PASSWORD + "\n", text=True, check=True, stdout=subprocess.DEVNULL,
        )
        daemon = Daemon(binary, data)
        token = make_token(daemon.url)
        # Settings in the folder of whoever runs this count for nothing.
        command = [pathlib.Path(sys.executable).with_name("st"), "run", daemon.url + "/api/v1/openapi.json"]
        command += ["--header", f"Authorization: Bearer {token}", "--seed", str(SEED), "--max-examples", examples]
        command += ["--phases", "examples,coverage,fuzzing", "--workers", "2", "--no-color", "--warnings", "off"]
        command += ["--request-timeout", "20", "--checks", "all", "--exclude-checks", ",".join(CHECKS_LEFT_OUT)]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        started = time.monotonic()
        try:
            code = subprocess.run(command, cwd=data, timeout=RUN_LIMIT_S).returncode
        except subprocess.TimeoutExpired:
            code = f"none within {RUN_LIMIT_S} s"
        print(f"schemathesis took {time.monotonic() - started:.0f} s")
        problems = [] if code == 0 else [f"schemathesis ended with code {code}"]
        try:
            ask(daemon.url, "/api/v1/house", token=token)
        except OSError as problem:
            problems.append(f"the token does not hold any more: {problem}")
        wrong = daemon.stop()
        problems += [wrong] if wrong else []
    if problems:
        sys.exit("\n".join(problems))


main()
