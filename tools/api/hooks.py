"""Adds to Schemathesis: more headers, a schema conversion and an ETag check."""

import hashlib

import requests
import schemathesis

# OpenAPI cannot declare Accept as a parameter, and no value of these headers makes a request invalid.
ADDED = {
    "Accept": ["", "*/*", "application/json", "application/x-ndjson", "text/html", "application/x-ndjson;q=0.5, */*", "q=;,"],
    "Accept-Encoding": ["", "identity", "gzip", "br", "gzip;q=0, br;q=0.5, *;q=0", "*", "identity;q=0", ";q=x,,"],
    "Cache-Control": ["", "", "", "no-cache", "max-age=0, No-Cache", "no-store, =,"],
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Adds headers derived from the request's content, so that the next run, with another token, sends the same."""
    headers = sorted((name, value) for name, value in (case.headers or {}).items() if name != "Authorization")
    content = repr((case.method, case.path, case.query, headers))
    digest = hashlib.sha256(content.encode(errors="replace")).digest()
    for byte, (name, values) in zip(digest, ADDED.items()):
        value = values[byte % len(values)]
        if value and not (case.headers or {}).get(name):
            case.headers = {**(case.headers or {}), name: value}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Replaces prefixItems, which Schemathesis converts to Draft 7's list of items and then rejects in OpenAPI 3.1."""
    nodes = [raw_schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if "prefixItems" in node:
                node["items"] = {"anyOf": node.pop("prefixItems")}
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)


@schemathesis.check
def etag_conformance(ctx, response, case):
    """Checks that a request with a response's ETag gets a 304 with the same ETag and no body."""
    etag = response.headers.get("etag")
    if response.status_code != 200 or not etag:
        return
    again = response.request.copy()
    again.headers["If-None-Match"] = etag[0]
    repeated = requests.Session().send(again, timeout=30)
    assert repeated.status_code == 304, f"If-None-Match: {etag[0]} returns {repeated.status_code}"
    assert repeated.headers.get("ETag") == etag[0], f"a 304 for {etag[0]} has the ETag {repeated.headers.get('ETag')}"
    assert not repeated.content and "Content-Type" not in repeated.headers, "a 304 has a body"
