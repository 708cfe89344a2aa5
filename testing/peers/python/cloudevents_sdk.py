"""The Python SDK of CloudEvents as sender and reader.

usage: python cloudevents_sdk.py send|read URL
"""

import http.client
import json
import sys
import urllib.parse
import urllib.request
from datetime import datetime, timezone

from cloudevents.core.bindings.http import HTTPMessage, from_http, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

OWN = "python"
TOPICS = ["javascript", "python", "rust"]
FORMAT = JSONFormat()
TIME = datetime(2026, 5, 1, 10, tzinfo=timezone.utc)

# The events every peer sends: content type and data, as the SDK gives it back.
EVENTS = {
    "json": ("application/json", {"amount": 12.5, "items": ["a", "b"], "none": None}),
    "text": ("text/plain", "plain text"),
    "empty": (None, None),
}


def common(name):
    return {
        "source": "/peers",
        "type": "peer.sent",
        "subject": f"subject-{name}",
        "time": TIME,
        "dataschema": "https://example.com/schema",
        "tenant": "blue",
    }


def check(name, body):
    try:
        body()
        print(f"ok {OWN} {name}")
    except Exception as error:  # every kind of failure is one of the check
        print(f"not ok {OWN} {name}: {error!r}")


def same(seen, expected, what):
    if seen != expected:
        raise AssertionError(f"{what}: {seen!r} instead of {expected!r}")


def post(url, message):
    # Not urllib.request, which adds a content type of its own where a message has none.
    target = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(target.netloc)
    connection.request("POST", target.path, body=message.body, headers=message.headers)
    answer = json.load(connection.getresponse())
    connection.close()
    return answer


def send(url):
    target = f"{url}/topics/{OWN}/events"
    for suffix, encode in [("binary", to_binary), ("structured", to_structured)]:
        for name, (content_type, data) in EVENTS.items():

            def body():
                attributes = {"id": f"{OWN}-{name}-{suffix}", "specversion": "1.0", **common(name)}
                if content_type:
                    attributes["datacontenttype"] = content_type
                message = encode(CloudEvent(attributes=attributes, data=data), FORMAT)
                same(post(target, message)["duplicate"], False, "duplicate")
                same(post(target, message)["duplicate"], True, "duplicate of the same again")

            check(f"sends {name} {suffix}", body)


def read(url):
    for topic in TOPICS:
        with urllib.request.urlopen(f"{url}/topics/{topic}/events") as response:
            lines = response.read().splitlines()
        check(f"finds the events of {topic}", lambda: same(len(lines) >= 6, True, f"{len(lines)} events are enough"))
        for line in lines:
            check(f"reads {json.loads(line)['id']}", lambda: read_one(line))


def read_one(line):
    event = from_http(HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=line), FORMAT)
    name = event.get_id().split("-")[1]
    content_type, data = EVENTS[name]
    seen = event.get_data()
    same(seen.decode() if isinstance(seen, bytes) else seen, data, "data")
    if data is not None:  # some SDKs state a content type for no data at all, and it is kept
        same(event.get_datacontenttype(), content_type, "datacontenttype")
    for attribute, value in common(name).items():
        same(event.get_attributes().get(attribute), value, attribute)


{"send": send, "read": read}[sys.argv[1]](sys.argv[2])
