"""tariffs: what a parcel costs in each zone. The list is bought from a partner and sealed with a token."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

TARIFFS = json.loads(Path(__file__).with_name("tariffs.json").read_text())


class Tariffs(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        zone = parse_qs(urlsplit(self.path).query).get("zone", ["1"])[0]
        body = json.dumps({"zone": zone, "cents": TARIFFS.get(zone)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", 8000), Tariffs).serve_forever()
