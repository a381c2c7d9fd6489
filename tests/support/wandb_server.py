"""A W&B server that lets a run start and keeps what it receives, until it is given a fault."""

import contextlib
import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

FAULTS = ("silent", "drips", "401", "404", "500")


class Server(http.server.ThreadingHTTPServer):
    """`fault`: None, or one of `FAULTS`; POST /fault/NAME sets it. `steps`: what the server says it has of a run that resumes.
    `stopped`: whether somebody has pressed Stop on the run's page. `rows`: the rows of all runs, in order, and `ids`: the ids of
    runs that started, in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault: str | None = None
        self.steps = 0
        self.stopped = False
        self.rows: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients are killed in the tests."""


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/fault/"):
            self.server.fault = self.path.rpartition("/")[2]
            self._answer(200, {})
        elif self.server.fault == "silent":
            self.server.closing.wait(120)
            self.close_connection = True
        elif self.server.fault == "drips":
            self._drip()
        elif self.server.fault is not None:
            self._answer(int(self.server.fault), {})
        else:
            content = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            self._serve(json.loads(content) if content[:1] == b"{" else {})

    do_GET = do_PATCH = do_PUT = do_POST

    def _serve(self, body: dict[str, Any]) -> None:
        if self.path.endswith("/file_stream"):
            lines = body.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
            self.server.rows += [json.loads(line) for line in lines]
            self._answer(200, {"stopped": True} if self.server.stopped else {})
            return
        variables, query = body.get("variables", {}), body.get("query", "")
        name = variables.get("name")
        project = {"id": "p", "name": "seesaw", "entity": {"id": "e", "name": "me"}}
        bucket = {"id": "x", "name": name, "displayName": "x", "config": "{}", "project": project}
        bucket |= {"historyLineCount": self.server.steps, "eventsLineCount": 0, "logLineCount": 0, "tags": []}
        bucket |= {"historyTail": json.dumps([json.dumps({"_step": self.server.steps - 1, "_runtime": 1})])}
        bucket |= {"eventsTail": "[]", "summaryMetrics": "{}", "wandbConfig": '{"t": 1}'}
        found = {"bucket": bucket} if "RunResumeStatus" in query and self.server.steps else None
        if "upsertBucket" in query:
            self.server.ids.append(name)
        self._answer(
            200,
            {
                "data": {
                    "upsertBucket": {"bucket": bucket, "inserted": True},
                    "createRunFiles": {"runID": "x", "uploadHeaders": [], "files": []},
                    "model": found,
                    "serverInfo": {},
                }
            },
        )

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            if self.server.closing.is_set():
                return
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.5)

    def log_message(self, *args: Any) -> None:
        """Nothing."""
