#!/usr/bin/env python3
"""A reader of a named consumer, with Python's standard library only.

Reads, processes, commits, and again. Start it several times: the readers share the topic's partitions. Kill one: the others
take over what it had not committed. SIGTERM and Ctrl-C end it between two events, and it leaves, so that others need not wait.

    python3 consumer.py --url http://127.0.0.1:8080 --consumer billing --topic flights
"""

import argparse
import http.client
import json
import os
import signal
import sys
import time
import uuid
from urllib.parse import quote, urlencode, urlsplit

# The server answers a read after at most this long when there is nothing.
WAIT_SECONDS = 20
# Longer than that, so that only a server that is gone is given up.
ANSWER_SECONDS_MAX = 60
# Between attempts while the server cannot be reached; doubled up to the second one.
PAUSE_SECONDS = (0.2, 5.0)


class Refused(Exception):
    """The server answered with a problem document (RFC 9457)."""

    def __init__(self, status, problem):
        super().__init__(f"{problem.get('code', status)}: {problem.get('detail', 'no detail')}")
        self.status = status
        self.code = problem.get("code")

    def is_passing(self):
        """Whether the same request may succeed later."""
        return self.status in (408, 429) or self.status >= 500


class Reader:
    """One reader of a consumer."""

    def __init__(self, url, consumer, topic, name, session_seconds, limit, token):
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port or 80)
        self.path = f"/consumers/{quote(consumer, safe='')}"
        self.name = name
        query = {"topic": topic, "reader": name, "session": session_seconds, "limit": limit, "wait": WAIT_SECONDS}
        self.query = urlencode(query)
        self.headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.connection = None

    def read(self):
        """The next events and the cursor that commits them; no events when nothing came."""
        page = self.ask("GET", f"{self.path}/events?{self.query}")
        return page["events"], page["cursor"]

    def commit(self, cursor):
        """Makes the position behind the events durable. Doing it twice does no harm."""
        self.ask("POST", f"{self.path}/commit", {"cursor": cursor})

    def leave(self):
        """Gives the partitions to other readers at once."""
        self.ask("DELETE", f"{self.path}/readers/{quote(self.name, safe='')}")

    def ask(self, method, path, body=None):
        """One request over the connection that is kept; OSError or HTTPException when there is no whole answer."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=ANSWER_SECONDS_MAX)
        try:
            text = None if body is None else json.dumps(body)
            self.connection.request(method, path, body=text, headers=self.headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        if answer.status >= 400:
            try:
                problem = json.loads(content)
            except ValueError:
                problem = {}
            raise Refused(answer.status, problem)
        return json.loads(content) if content else None


class Stop(Exception):
    """SIGTERM or Ctrl-C came."""


class Ending:
    """Ends the program between two events, or at once while it waits for the server."""

    def __init__(self):
        self.asked = False
        self.waiting = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask)

    def ask(self, _number, _frame):
        self.asked = True
        if self.waiting:
            raise Stop

    def __enter__(self):
        self.waiting = True
        if self.asked:
            raise Stop

    def __exit__(self, *_error):
        self.waiting = False


def process(event):
    """Your work. It may see an event again after a failure: what it does must bear that."""
    print(f"processed {event['rrposition']} {event['id']}", flush=True)


def run(reader, ending):
    pause = PAUSE_SECONDS[0]
    while True:
        try:
            with ending:
                events, cursor = reader.read()
            for event in events:
                process(event)
            # After the events, and before the next read: a rebalance then repeats nothing.
            if events:
                reader.commit(cursor)
                print(f"committed {cursor}", flush=True)
            pause = PAUSE_SECONDS[0]
        except Refused as refused:
            # 409: another reader has the partitions by now, or the server was restarted. What is not committed comes again.
            if refused.status != 409:
                if not refused.is_passing():
                    raise
                pause = wait(pause, refused, ending)
        except (OSError, http.client.HTTPException) as error:
            pause = wait(pause, error, ending)


def wait(pause, reason, ending):
    print(f"trying again in {pause:.1f} s: {reason}", file=sys.stderr, flush=True)
    with ending:
        time.sleep(pause)
    return min(pause * 2, PAUSE_SECONDS[1])


def main():
    parser = argparse.ArgumentParser(description="Reads events as one of the readers of a named consumer.")
    parser.add_argument("--url", default=os.environ.get("RIVERRUN_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--consumer", required=True)
    parser.add_argument("--topic", required=True, help="one topic or several: orders,payments")
    parser.add_argument("--reader", default=f"python-{uuid.uuid4().hex[:12]}", help="unique among the consumer's readers")
    parser.add_argument("--session", type=int, default=30, help="seconds until others take over when this one is killed")
    parser.add_argument("--limit", type=int, default=500, help="events per read")
    arguments = parser.parse_args()
    token = os.environ.get("RIVERRUN_TOKEN")
    ending = Ending()
    reader = Reader(
        arguments.url, arguments.consumer, arguments.topic, arguments.reader, arguments.session, arguments.limit, token
    )
    try:
        run(reader, ending)
    except Stop:
        # An answer may be under way on the old connection.
        reader.connection = None
        try:
            reader.leave()
        except (OSError, http.client.HTTPException, Refused) as error:
            print(f"left without saying so: {error}", file=sys.stderr)
    except Refused as refused:
        sys.exit(f"error: {refused}")


if __name__ == "__main__":
    main()
