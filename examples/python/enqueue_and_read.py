#!/usr/bin/env python3
"""Enqueues 100 orders and reads their 100 results, with redis-py alone.

Debian: apt-get install python3-redis python3-qrcode
Run:    REDIS_URL=redis://127.0.0.1:6379/0 python3 examples/python/enqueue_and_read.py

Ends with 0 when every order has its QR code, else with 1.
"""
import json
import os
import socket
import sys
import time

import qrcode
import redis

PREFIX = os.environ.get("WORKER_KEY_PREFIX", "{qfpay}")
REQUESTS, RESULTS, REJECTED = PREFIX + ":requests", PREFIX + ":results", PREFIX + ":requests:rejected"
# The name is the same after a restart: what this consumer has left is then given to it first.
GROUP, CONSUMER = "example-python", socket.gethostname()
PATIENCE = 150  # seconds: an interactive order has its result, whatever it is, after two minutes or a little more


def enqueue(db, n):
    """Puts n orders on the request stream, as JSON. Returns their ids, and the entries they are in."""
    run = time.strftime("%y%m%d%H%M%S")
    pipe = db.pipeline(transaction=False)
    ids = set()
    for i in range(n):
        order = {"out_trade_no": f"PY-{run}-{os.getpid()}-{i}", "pay_type": "801501", "txamt": 1000 + i, "txcurrcd": "HKD",
                 "lane": "interactive"}  # somebody waits for it: it goes before a backlog in bulk
        pipe.xadd(REQUESTS, {"order": json.dumps(order)})
        ids.add("default:" + order["out_trade_no"])
    return ids, pipe.execute()


def batches(db):
    """Yields lists of the results that fall to this consumer: what it left, then new ones.

    Reading is at least once: a reader must accept a result that comes again.
    """
    start = "0"  # what we were given before and have not acknowledged
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = db.xreadgroup(GROUP, CONSUMER, {RESULTS: start}, count=50, block=1000)
        entries = answer[0][1] if answer else []
        if not entries:
            start = ">"
        yield entries


def settle(result, waiting, created):
    if result["id"] not in waiting:
        return  # somebody else's order, or one that came twice
    waiting.remove(result["id"])
    if result["outcome"] == "created":
        created.append(result)
    else:
        print(result["out_trade_no"], result["outcome"], result["reason"], file=sys.stderr)


def main():
    db = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True)
    try:
        db.xgroup_create(RESULTS, GROUP, id="$", mkstream=True)  # before the orders: no result is missed
    except redis.ResponseError as e:
        if not str(e).startswith("BUSYGROUP"):
            raise
    (waiting, entries), created = enqueue(db, 100), []
    for batch in batches(db):
        for entry, result in batch:
            settle(result, waiting, created)
            db.xack(RESULTS, GROUP, entry)  # only now: done with it
        if not waiting:
            break
    for _, refused in db.xrange(REJECTED, min=entries[0]) if waiting else []:
        if refused["id"] in entries:
            print("refused:", refused["reason"], file=sys.stderr)
    if created:
        print(created[0]["out_trade_no"], created[0]["qrcode"])
        code = qrcode.QRCode()
        code.add_data(created[0]["qrcode"])
        code.print_ascii()
    print(f"created={len(created)} missing={len(waiting)}")
    return 0 if len(created) == 100 else 1


if __name__ == "__main__":
    sys.exit(main())
