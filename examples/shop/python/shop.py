#!/usr/bin/env python3
"""A shop, and the billing service behind it, with psycopg 3.

    shop.py open                      makes the shop's tables
    shop.py order ID PRODUCT PIECES   stores an order, takes the stock and publishes `order.placed`, in one transaction
    shop.py bill                      writes the invoice of the event on standard input, once
    shop.py list                      all orders and invoices

Events are handed to the billing service by

    riverrun listen orders --name billing --exec 'python3 shop.py bill'
"""

import json
import os
import pathlib
import sys
import time

import psycopg
from psycopg.types.json import Jsonb

# What a piece of anything costs.
CENTS = 250
# Trying a transaction again may help after these: another one was in the way, or the connection was lost.
PASSING = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
ATTEMPTS = 3


class OutOfStock(Exception):
    """There are not as many pieces as were ordered."""


def connect():
    url = os.environ.get("DATABASE_URL")
    if not url:
        sys.exit(
            "set DATABASE_URL=postgres://user@host/database, or run `cargo xtask example shop --python`, which brings a PostgreSQL"
        )
    return psycopg.connect(url)


def place_order(connection, order, product, pieces):
    """Stores an order, takes the stock and publishes the event: all of it happens or none."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.transaction():
                taken = connection.execute(
                    "update stock set pieces = pieces - %s where product = %s and pieces >= %s", (pieces, product, pieces)
                )
                if taken.rowcount == 0:
                    raise OutOfStock
                connection.execute(
                    "insert into orders (id, product, pieces) values (%s, %s, %s)", (order, product, pieces)
                )
                connection.execute(
                    "select riverrun_publish(topic => 'orders', key => %s, type => 'order.placed', data => %s, headers => %s)",
                    (order, Jsonb({"order": order, "product": product, "pieces": pieces}), Jsonb({"source": "/shop"})),
                )
            return
        except PASSING:
            if attempt == ATTEMPTS:
                raise
            time.sleep(0.05 * 2**attempt)


def invoice(connection, event):
    """Writes the invoice of an order, unless that was done before. Whether it wrote one."""
    placed = event["data"]
    with connection.transaction():
        known = connection.execute(
            "select riverrun_processed('billing', %s, %s)", (event["source"], event["id"])
        ).fetchone()[0]
        if not known:
            connection.execute(
                "insert into invoices (order_id, cents) values (%s, %s)", (placed["order"], placed["pieces"] * CENTS)
            )
    return not known


def main():
    with connect() as connection:
        connection.autocommit = True  # `connection.transaction()` says where transactions begin and end
        match sys.argv[1:]:
            case ["open"]:
                tables = pathlib.Path(__file__).parent.parent / "tables.sql"
                connection.execute(tables.read_text())
            case ["order", order, product, pieces]:
                try:
                    place_order(connection, order, product, int(pieces))
                    print(f"{order}: placed")
                except OutOfStock:
                    print(f"{order}: out of stock")
            case ["bill"]:
                event = json.load(sys.stdin)
                if event["type"] == "order.placed":
                    written = invoice(connection, event)
                    print(f"{event['data']['order']}: {'invoiced' if written else 'invoiced before'}")
            case ["list"]:
                rows = connection.execute(
                    "select format('order %s: %s %s', id, pieces, product) from orders union all "
                    "select format('invoice for %s: %s cents', order_id, cents) from invoices order by 1"
                )
                for (line,) in rows:
                    print(line)
            case _:
                sys.exit(__doc__)


if __name__ == "__main__":
    main()
