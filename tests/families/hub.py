"""A hub on loopback that serves one folder as `owner/name`, in the protocol that huggingface_hub speaks."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0" * 40


@contextmanager
def serving(folder: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """→ the hub's address, and the list (growing) of files that were fetched."""
    hub = Hub(folder, name)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{hub.server_address[1]}", hub.fetched
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class Hub(ThreadingHTTPServer):
    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.name = folder, name
        self.fetched: list[str] = []

    def facts(self) -> dict[str, object]:
        siblings = [{"rfilename": entry["path"]} for entry in self.tree()]
        return {"id": self.name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}

    def tree(self) -> list[dict[str, object]]:
        files = sorted(p for p in self.folder.rglob("*") if p.is_file())
        return [
            {
                "type": "file",
                "oid": COMMIT,
                "size": p.stat().st_size,
                "path": p.relative_to(self.folder).as_posix(),
            }
            for p in files
        ]


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        api, files = f"/api/models/{self.server.name}", f"/{self.server.name}/resolve/{COMMIT}/"
        if self.path.startswith(f"{api}/tree/"):
            return self.send(json.dumps(self.server.tree()).encode(), "application/json", body)
        if self.path.startswith(api):
            return self.send(json.dumps(self.server.facts()).encode(), "application/json", body)
        name = self.path.removeprefix(files)
        if not self.path.startswith(files) or not (self.server.folder / name).is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if body:
            self.server.fetched.append(name)
        self.send((self.server.folder / name).read_bytes(), "application/octet-stream", body)

    def send(self, data: bytes, kind: str, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
