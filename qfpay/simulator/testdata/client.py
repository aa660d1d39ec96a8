"""A client of the QFPay gateway that shares nothing with the Go code.

Written from QFPay's documents alone, with Python's standard library, to check that
the simulator speaks what they describe and not what its own client happens to send.

    client.py HOST:PORT APP_CODE KEY

creates, enquires and cancels one order in each of two dialects: MD5 in lower-case
hex with spaces as %20 (as QFPay's Node sample), and SHA256 in upper-case hex with
spaces as + (as its Python sample). Prints one JSON line a step.
"""
import hashlib
import http.client
import json
import sys
import time
import urllib.parse

BEIJING = 8 * 3600


class Dialect:
    def __init__(self, name, algorithm, sign_type, case, quote):
        self.name, self.algorithm, self.sign_type = name, algorithm, sign_type
        self.case, self.quote = case, quote

    def sign(self, params, key):
        text = "&".join("%s=%s" % (k, params[k]) for k in sorted(params)) + key
        return self.case(self.algorithm(text.encode("utf-8")).hexdigest())

    def encode(self, params):
        return urllib.parse.urlencode(params, quote_via=self.quote).encode("ascii")


DIALECTS = [
    Dialect("md5", hashlib.md5, None, str.lower, urllib.parse.quote),
    Dialect("sha256", hashlib.sha256, "SHA256", str.upper, urllib.parse.quote_plus),
]


def call(address, app_code, key, dialect, endpoint, params):
    headers = {
        "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
        "x-qf-appcode": app_code,
        "x-qf-sign": dialect.sign(params, key),
    }
    if dialect.sign_type:
        headers["x-qf-signtype"] = dialect.sign_type
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/trade/v1/" + endpoint, dialect.encode(params), headers)
    response = connection.getresponse()
    body = response.read()
    signature = response.getheader("X-QF-SIGN", "")
    expected = hashlib.md5(body + key.encode("ascii")).hexdigest()
    connection.close()
    answer = json.loads(body)
    # QFPay's bodies are what json.dumps writes, so writing it again changes nothing.
    return answer, {
        "dialect": dialect.name,
        "endpoint": endpoint,
        "status": response.status,
        "respcd": answer["respcd"],
        "signature": signature.lower() == expected,
        "same_bytes": json.dumps(answer).encode("ascii") == body,
    }


def say(step, **more):
    print(json.dumps({**step, **more}))


def run(address, app_code, key, dialect):
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + BEIJING))
    order = {
        "txamt": "300",
        "txcurrcd": "HKD",
        "pay_type": "800201",
        "out_trade_no": "python_" + dialect.name,
        "txdtm": now,
        "goods_name": "\u6e2c\u8a66\u5546\u54c1",
        "expired_time": "10",
    }
    answer, step = call(address, app_code, key, dialect, "payment", order)
    echo = all(answer[k] == order[k] for k in ("txamt", "txcurrcd", "pay_type", "out_trade_no", "txdtm"))
    say(step, echo=echo, qrcode=answer["qrcode"].split("?")[0])

    # The window of the month in which it was created.
    enquiry = {
        "out_trade_no": order["out_trade_no"],
        "start_time": answer["sysdtm"][:8] + "01 00:00:00",
        "end_time": answer["sysdtm"],
        "page_size": "100",
    }
    found, step = call(address, app_code, key, dialect, "query", enquiry)
    row = found["data"][0]
    say(step, rows=len(found["data"]), row=row["respcd"], goods_name=row["goods_name"])

    cancel = {"syssn": answer["syssn"], "txamt": order["txamt"], "txdtm": order["txdtm"]}
    closed, step = call(address, app_code, key, dialect, "close", cancel)
    say(step, orig=closed["orig_syssn"] == answer["syssn"])

    found, step = call(address, app_code, key, dialect, "query", enquiry)
    row = found["data"][0]
    say(step, rows=len(found["data"]), row=row["respcd"], cancel=row["cancel"])


if __name__ == "__main__":
    for d in DIALECTS:
        run(sys.argv[1], sys.argv[2], sys.argv[3], d)
