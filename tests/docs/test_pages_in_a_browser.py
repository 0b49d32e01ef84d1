"""The built pages in headless Chromium: nothing scrolls sideways, and nothing needs a network.

Give the pages that are built already with ``--built-docs``. Otherwise they are built without the
gallery.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue

import pytest

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PATIENCE = 1800  # seconds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here"),
    pytest.mark.skipif(not (DOCS / "conf.py").exists(), reason="the pages are not installed"),
]


class Pages(SimpleHTTPRequestHandler):
    """The built pages, the list of them, and the script that opens them."""

    def __init__(self, *arguments, paths, results, **options):
        self.paths, self.results = paths, results
        super().__init__(*arguments, **options)

    def do_GET(self):
        if self.path == "/measure":
            self.answer(f"<script>{(HERE / 'measure.js').read_text('utf-8')}</script>", "text/html")
        elif self.path == "/pages":
            self.answer(json.dumps(self.paths), "application/json")
        else:
            super().do_GET()

    def do_POST(self):
        self.results.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer("", "text/plain")

    def answer(self, text, kind):
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(
            f"<!doctype html><body>{text}".encode() if kind == "text/html" else text.encode()
        )

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def built(request, tmp_path_factory):
    given = request.config.getoption("--built-docs")
    if given:
        return Path(given).resolve()
    pytest.importorskip("sphinx_gallery")
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-D", "plot_gallery=0"]
    subprocess.run([*command, "-b", "html", str(DOCS), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def found(built, tmp_path_factory):
    """What the script found on every page."""
    paths = sorted(
        path.relative_to(built).as_posix()
        for path in built.rglob("*.html")
        if "_static" not in path.parts
    )
    assert "index.html" in paths
    results = Queue()
    handler = partial(Pages, directory=str(built), paths=paths, results=results)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = subprocess.Popen(
            [
                BROWSER,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-port=0",  # stay until ended
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network
                "--window-size=1500,1000",
                f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
                f"http://127.0.0.1:{server.server_port}/measure",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            sent = results.get(timeout=PATIENCE)
        except Empty:
            pytest.fail(f"no results after {PATIENCE} seconds")
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
            server.shutdown()
    assert sent.startswith("{"), sent
    return json.loads(sent)


def report(problems):
    """Return a line for every problem of every page."""
    return "\n".join(f"{path}: {problem}" for path in problems for problem in problems[path])


def problems_of(found, key):
    return report({path: page[key] for path, page in found.items()})


@pytest.mark.parametrize("width", ["1400", "400"])
def test_nothing_scrolls_sideways(found, width):
    wide = report({path: page["wide"][width] for path, page in found.items()})
    assert not wide, wide


def test_formulas_are_drawn_without_a_network(found):
    drawn = sum(page["n_formulas"] for page in found.values())
    raw = problems_of(found, "formulas")
    assert drawn > 100
    assert not raw, raw


def test_pages_fetch_nothing_from_elsewhere(found):
    fetched = problems_of(found, "fetched")
    assert not fetched, fetched


def test_pictures_are_there(found):
    missing = problems_of(found, "pictures")
    assert not missing, missing


def test_buttons_copy_the_code_alone(found):
    pressed = {path: page["copies"] for path, page in found.items() if page["copies"]}
    wrong = report(
        {
            path: [block for block in blocks if block["copied"] != block["code"]]
            for path, blocks in pressed.items()
        }
    )
    assert len(pressed) > 20
    assert ">>>" not in str(pressed)
    assert not wrong, wrong
