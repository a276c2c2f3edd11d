"""The page's files, as a browser gets them."""

import gzip
import re
import socket
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.flowlab.web.served import served

ROOT = Path(__file__).parents[3]
STATIC = Path(str(files("flowlab.web"))) / "static"
FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
TYPES = {
    ".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml", "": "text/plain"
}  # fmt: skip
OURS = [name for name in FILES if not name.startswith("vendor/")]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    with served(folder, documents=f"ipc://{folder}/documents", replay=f"ipc://{folder}/replay") as one:
        yield one


def get(web, path, **headers):
    return web.client.get(path, headers={"Accept-Encoding": "identity", **headers})


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_there_with_its_type_tag_and_policy(web, name):
    content = (STATIC / name).read_bytes()
    answer = get(web, f"/static/{name}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert answer.headers["vary"] == "Accept-Encoding"
    policy = answer.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = get(web, f"/static/{name}", **{"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert get(web, f"/static/{name}", **{"If-None-Match": '"another"'}).status_code == 200


def test_the_page_is_at_the_root(web):
    answer = get(web, "/")
    assert answer.content == (STATIC / "index.html").read_bytes()
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_packed_for_who_takes_it_so(web, name):
    with web.client.stream("GET", f"/static/{name}", headers={"Accept-Encoding": "br, gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == (STATIC / name).read_bytes()
    assert int(answer.headers["content-length"]) == len(raw)
    assert answer.headers["vary"] == "Accept-Encoding"
    plain = get(web, f"/static/{name}")
    assert plain.headers["etag"] != answer.headers["etag"]
    known = {"Accept-Encoding": "gzip", "If-None-Match": answer.headers["etag"]}
    assert web.client.get(f"/static/{name}", headers=known).status_code == 304


@pytest.mark.parametrize(
    ("accepts", "packed"),
    [
        ("gzip", True), ("GZIP", True), ("deflate, gzip;q=0.5", True), ("gzip; q=1.0, *;q=0", True), ("x-gzip", True),
        ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("gzipped", False),
        ("br", False), ("gzip;q=0, br", False),
    ],
)  # fmt: skip
def test_it_is_packed_only_for_who_says_so(web, accepts, packed):
    answer = get(web, "/static/app.js", **{"Accept-Encoding": accepts})
    assert (answer.headers.get("content-encoding") == "gzip") == packed
    assert answer.content == (STATIC / "app.js").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../page.py", "/static/%2e%2e/page.py", "/static/..%2fpage.py", "/static/vendor/../../page.py",
        "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static//etc/passwd", "/static/%2fetc/passwd",
        "/static/app.js%00", "/static/", "/static", "/static/vendor", "/static/./app.js", "/static/..\\page.py",
        "/../page.py", "/%2e%2e/page.py", "/static/%c0%ae%c0%ae/page.py", "/index.html", "/static/nothing.js",
    ],
)  # fmt: skip
def test_nothing_but_the_files_is_there(web, path):
    """Paths as they stand, which no client has put in order."""
    url = httpx.URL(web.url)
    with socket.create_connection((url.host, url.port), 10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := sock.recv(65536):
            answer += part
    assert answer.split()[1] in (b"404", b"400")
    assert b"import" not in answer
    assert b"root:" not in answer


def test_a_page_of_another_server_gets_none_of_it_as_data(web):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert get(web, "/static/app.js", **headers).status_code == 403
    assert get(web, "/", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_where_no_documents_are_there_is_no_page(tmp_path):
    with served(tmp_path) as without:
        assert [without.ask("GET", path).status_code for path in ("/", "/static/app.js")] == [404, 404]


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.within = ""

    def handle_starttag(self, tag, attrs):
        self.within = tag
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        self.links += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_endtag(self, tag):
        self.within = ""

    def handle_data(self, data):
        if self.within in ("script", "style") and data.strip():
            self.inline.append(data)


def test_the_page_has_nothing_inline_and_every_file_it_names():
    seen = Seen()
    seen.feed((STATIC / "index.html").read_text())
    assert seen.inline == []
    for link in seen.links:
        assert link.startswith("#") or (STATIC / link.removeprefix("/static/")).is_file()


@pytest.mark.parametrize("name", OURS)
def test_no_file_asks_another_server(name):
    text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|wss?://|url\(\s*['\"]?(?!data:|#)", text)
    assert not re.search(r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", text)
    for imported in re.findall(r'from "(\.[^"]+)"|import\("(\.[^"]+)"\)', text):
        assert (STATIC / name).parent.joinpath(next(filter(None, imported))).is_file()


def test_what_is_not_ours_has_its_licence_beside_it():
    vendored = {(STATIC / name).parent for name in FILES if name.startswith("vendor/")}
    assert vendored
    for folder in vendored:
        assert "Permission is hereby granted" in (folder / "LICENSE").read_text()


def test_the_wheel_has_every_file():
    packed = {one.distribution_path for one in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"flowlab/web/static/{name}" for name in FILES} <= packed
