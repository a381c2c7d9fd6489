"""`seesaw export --push` against a stand-in of Hugging Face's server on this machine: no repository of theirs was ever written.

The stand-in answers the four calls that huggingface_hub makes, and keeps what it was sent.
"""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from small_models import small_run

from seesaw.cli.main import main


class StandIn(BaseHTTPRequestHandler):
    """Creates repositories for the token `good`, takes every file inline, and commits."""

    calls: list[tuple[str, str]]
    files: dict[str, bytes]
    created: dict[str, Any]

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""

    def answer(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.calls.append((self.path, self.headers.get("authorization") or ""))
        self.answer(200, {"sha": "0" * 40, "siblings": [], "id": "me/it", "private": True})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = self.headers.get("authorization") or ""
        self.calls.append((self.path, token))
        if token != "Bearer good":
            self.answer(401, {"error": "Invalid username or password."})
        elif self.path == "/api/repos/create":
            self.created.update(json.loads(body))
            self.answer(200, {"url": f"http://{self.headers['Host']}/me/it"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            self.answer(200, {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer(
                200,
                {
                    "success": True,
                    "commitOid": "1" * 40,
                    "commitUrl": f"http://{self.headers['Host']}/me/it/commit/1",
                    "hookOutput": "",
                },
            )
        else:
            self.answer(200, {})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """The stand-in in the place of the real server."""

    class Own(StandIn):
        calls, files, created = [], {}, {}

    http = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{http.server_address[1]}")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    yield Own
    http.shutdown()
    http.server_close()


def push(tmp_path: Path) -> int:
    path = small_run(tmp_path / "run", "mlp")
    return main(["export", str(path), "--to", "hub", "--out", str(tmp_path / "hub"), "--push", "me/it"])


def test_the_folder_is_pushed_with_the_token_into_a_private_repository(
    server: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "good")
    assert push(tmp_path) == 0, capsys.readouterr().err
    assert "a new repository is private" in capsys.readouterr().out
    created = server.created
    assert (created["name"], created["organization"]) == ("it", "me")
    assert created.get("private") is True or created.get("visibility") == "private"
    written = {file.name: file.read_bytes() for file in (tmp_path / "hub").iterdir()}
    assert server.files == written
    assert set(written) == {"README.md", "model.safetensors", "config.json", "samples.png"}
    of_the_repository = [token for path, token in server.calls if "me/it" in path or "repos" in path]
    assert len(of_the_repository) >= 3
    assert set(of_the_repository) == {"Bearer good"}  # huggingface_hub also fetches a list of its own, without a token


def test_without_a_token_nothing_is_sent(
    server: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert push(tmp_path) == 1
    assert "--push needs a token of Hugging Face with the right to write: set HF_TOKEN" in capsys.readouterr().err
    assert server.calls == []


def test_a_refusal_is_one_sentence_and_the_folder_is_kept(
    server: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "wrong")
    assert push(tmp_path) == 1
    err = capsys.readouterr().err
    assert "--push me/it: " in err
    assert "401" in err
    assert "hub is written" in err
    assert len(err.splitlines()) == 1
    assert (tmp_path / "hub" / "model.safetensors").is_file()
    assert server.files == {}
