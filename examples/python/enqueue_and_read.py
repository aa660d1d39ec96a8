#!/usr/bin/env python3
"""Enqueues 100 orders and reads their 100 results, with redis-py alone.

Debian: apt-get install python3-redis python3-qrcode
Run:    REDIS_URL=redis://127.0.0.1:6379/0 python3 examples/python/enqueue_and_read.py [CONSUMER]

REDIS_URL may be rediss:// and have user and password, percent-encoded (@ is %40, / is %2F, # is %23).
With WORKER_PAYMENTS=on, as the worker has it, it then waits for what becomes of the codes.
Ends with 0 when every order has its QR code, else with 1.
"""
import collections
import json
import os
import sys
import time

import qrcode
import redis

URL = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
PREFIX = os.environ.get("WORKER_KEY_PREFIX") or "{qfpay}"
REQUESTS, RESULTS, REJECTED, PAYMENTS = (PREFIX + name for name in (":requests", ":results", ":requests:rejected", ":payments"))
# Give each consumer a name of its own that is the same after a restart: what it has left is then given to it
# first. The name of the host is none: a container gets another one each time.
GROUP, CONSUMER = "example-python", sys.argv[1] if len(sys.argv) > 1 else "consumer-1"
CLAIM_AFTER = 60_000  # ms: entries that another consumer has not acknowledged for so long are taken over
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


def read(db, start):
    """Returns the entries of one XREADGROUP, as [(id, fields)]: a list of pairs in RESP2, a dictionary in RESP3."""
    return entries_of(db.xreadgroup(GROUP, CONSUMER, {RESULTS: start}, count=50, block=1000))


def entries_of(answer):
    """Returns the entries of the one stream that was read."""
    if isinstance(answer, dict):
        return [entry for part in answer.values() for entry in (part[0] if part else [])]
    return answer[0][1] if answer else []


def batches(db):
    """Yields lists of the results that fall to this consumer: what it left, then new ones, and from time to time
    those of a consumer that does not come back.

    Reading is at least once: a reader must accept a result that comes again.
    """
    start = "0"  # what we were given before and have not acknowledged
    claim, cursor = 0.0, "0-0"
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        entries = read(db, start)
        if not entries:
            start = ">"
        yield entries
        if start == ">" and time.monotonic() >= claim:
            cursor, entries, *_ = db.xautoclaim(RESULTS, GROUP, CONSUMER, CLAIM_AFTER, start_id=cursor, count=50)
            if cursor in ("0-0", b"0-0"):  # all were looked at
                claim = time.monotonic() + CLAIM_AFTER / 1000
            yield entries


def settle(result, waiting, created):
    if result.get("id") not in waiting:
        return  # somebody else's order, or one that came twice
    waiting.remove(result["id"])
    if result["outcome"] == "created":
        created.append(result)
    else:
        print(result["out_trade_no"], result["outcome"], result["reason"], file=sys.stderr)


def payments(db, ids, start):
    """Counts what becomes of codes: each is paid, expired or closed, once. IDs of entries are times, so start may be one
    of another stream. An event may come again after a failure, and refunds may follow: the set takes care of both."""
    became, end = collections.Counter(paid=0), time.monotonic() + PATIENCE
    while ids and time.monotonic() < end:
        for start, event in entries_of(db.xread({PAYMENTS: start}, count=100, block=1000)):
            order = event["merchant"] + ":" + event["out_trade_no"]
            if event["event"] in ("paid", "expired", "closed") and order in ids:
                ids.remove(order)
                became[event["event"]] += 1
    return became


def connect():
    """Connects as REDIS_URL says. Other schemes than redis:// and rediss:// are refused, never tried in plain text.

    Errors in the URL are not shown as they are: they may quote its password.
    """
    scheme = URL.split("://")[0]
    if scheme not in ("redis", "rediss"):
        sys.exit("REDIS_URL: must begin with redis:// or rediss://")
    tls = {"ssl_check_hostname": True} if scheme == "rediss" else {}
    try:
        return redis.Redis.from_url(URL, decode_responses=True, **tls)
    except ValueError:
        sys.exit("REDIS_URL: is not valid; special characters in it must be percent-encoded")


def main():
    db = connect()
    try:
        db.xgroup_create(RESULTS, GROUP, id="$", mkstream=True)  # before the orders: no result is missed
    except redis.ResponseError as e:
        if not str(e).startswith("BUSYGROUP"):
            raise
    (waiting, entries), created = enqueue(db, 100), []
    for batch in batches(db):
        for entry, result in batch:
            if entry is None:
                continue  # Redis 6.2 says only that an entry is gone
            if result:
                settle(result, waiting, created)
            else:
                print(f"entry {entry} was trimmed before it was acknowledged: its result is lost to this group", file=sys.stderr)
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
    if os.environ.get("WORKER_PAYMENTS") == "on":
        print(*(f"{event}={n}" for event, n in payments(db, {r["id"] for r in created}, entries[0]).items()))
    print(f"created={len(created)} missing={len(waiting)}")
    return 0 if len(created) == 100 else 1


if __name__ == "__main__":
    sys.exit(main())
