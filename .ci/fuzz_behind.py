"""A service behind the gateway that answers anything: every status, and bodies that are JSON, are not, or are not there."""

import http.server
import random
import sys

STATUSES = [200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503]
BODIES = [
    ("application/json", b'{"user_id": "fuzzer", "overall_status": "processing", "essay_count": 1}'),
    ("application/json", b'{"user_id": "somebody else", "overall_status": "processing"}'),
    ("application/json", b"[]"),
    ("text/html", b"<h1>no JSON</h1>"),
    ("text/plain", b""),
]


class Anything(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if length := int(self.headers.get("content-length") or 0):
            self.rfile.read(length)
        elif self.headers.get("transfer-encoding"):
            while length := int(self.rfile.readline(), 16):
                self.rfile.read(length + 2)
            self.rfile.readline()
        status = random.choice(STATUSES)
        media, body = random.choice(BODIES)
        self.send_response(status)
        if status != 204:
            self.send_header("content-type", media)
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Anything).serve_forever()
