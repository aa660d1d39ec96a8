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
GROUP, CONSUMER = "example-python", f"{socket.gethostname()}-{os.getpid()}"
PATIENCE = 60  # seconds


def enqueue(db, n):
    """Puts n orders on the request stream, as JSON, and returns their ids."""
    run = time.strftime("%y%m%d%H%M%S")
    pipe = db.pipeline(transaction=False)
    ids = set()
    for i in range(n):
        order = {"out_trade_no": f"PY-{run}-{os.getpid()}-{i}", "pay_type": "801501", "txamt": 1000 + i, "txcurrcd": "HKD"}
        pipe.xadd(REQUESTS, {"order": json.dumps(order)})
        ids.add("default:" + order["out_trade_no"])
    pipe.execute()
    return ids


def results(db):
    """Yields the results that fall to this consumer: what it left, then new ones.

    Reading is at least once: whoever reads must put up with a result that comes again.
    """
    start = "0"  # what we were given before and have not acknowledged
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for _, entries in db.xreadgroup(GROUP, CONSUMER, {RESULTS: start}, count=50, block=1000):
            for entry_id, result in entries:
                yield result
                db.xack(RESULTS, GROUP, entry_id)  # only now: done with it
        start = ">"


def main():
    db = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), decode_responses=True)
    try:
        db.xgroup_create(RESULTS, GROUP, id="$", mkstream=True)  # before the orders: no result is missed
    except redis.ResponseError as e:
        if not str(e).startswith("BUSYGROUP"):
            raise
    waiting, created = enqueue(db, 100), []
    for result in results(db):
        if result["id"] not in waiting:
            continue  # somebody else's order, or one that came twice
        waiting.remove(result["id"])
        if result["outcome"] == "created":
            created.append(result)
        else:
            print(result["out_trade_no"], result["outcome"], result["reason"], file=sys.stderr)
        if not waiting:
            break
    for _, refused in db.xrevrange(REJECTED, count=10) if waiting else []:
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
