"""Notifies as QFPay does, and as others try to. Written from QFPay's page on notifications alone,
with the standard library: MD5 over the bytes of the body and the key, upper case, in X-QF-SIGN.

    client.py HOST:PORT MERCHANT KEY ORDER AMOUNT CURRENCY

ORDER must be published, and not paid. It prints one line of JSON for each thing that it tries: what,
the HTTP status, and the text of the answer.
"""

import gzip
import hashlib
import http.client
import json
import socket
import sys
import time

address, merchant, key, order, amount, currency = sys.argv[1:]
host, port = address.rsplit(":", 1)
path = "/qfpay/notify/" + merchant


def body(**changes):
    fields = {
        "status": "1", "pay_type": "800101", "sysdtm": "2026-03-01 10:32:58", "paydtm": "2026-03-01 10:33:35",
        "goods_name": "珍珠奶茶", "txcurrcd": currency, "txdtm": "2026-03-01 10:32:58", "mchid": "", "txamt": amount,
        "exchange_rate": "", "chnlsn2": "", "out_trade_no": order, "syssn": "20260301000200020000000002",
        "cash_fee_type": "", "cancel": "0", "respcd": "0000", "goods_info": "", "cash_fee": "0",
        "notify_type": "payment", "chnlsn": "2026030122001453561406303428", "cardcd": "", "customer_source": "HK",
    }
    fields.update(changes)
    return json.dumps({k: v for k, v in fields.items() if v is not None}).encode()


def refund(number, **changes):
    fields = {
        "status": "1", "sysdtm": "2026-03-01 11:00:00", "txcurrcd": currency, "orig_out_trade_no": order,
        "mchid": "", "txdtm": "2026-03-01 11:00:00", "txamt": "1", "orig_syssn": "20260301000200020000000002",
        "out_trade_no": "R" + number, "syssn": "2026030100020002000000001" + number, "respcd": "0000",
        "notify_type": "refund",
    }
    fields.update(changes)
    return json.dumps(fields).encode()


def sign(text, secret=key):
    return hashlib.md5(text + secret.encode()).hexdigest().upper()


connection = http.client.HTTPConnection(host, int(port), timeout=30)


def say(what, answer):
    print(json.dumps({"what": what, "status": answer.status, "text": answer.read().decode()}), flush=True)


def post(what, text, signature=None, to=path, chunked=False, method="POST", more={}):
    headers = {"Content-Type": "application/json", **more}
    signature = sign(text) if signature is None else signature
    if signature:
        headers["X-QF-SIGN"] = signature
    pieces = iter([text[i:i + 1000] for i in range(0, len(text), 1000)]) if chunked else text
    try:
        connection.request(method, to, body=pieces, headers=headers, encode_chunked=chunked)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was answered before everything was sent
    try:
        say(what, connection.getresponse())
    except (http.client.HTTPException, ConnectionError):
        print(json.dumps({"what": what, "status": 0, "text": ""}), flush=True)  # and the answer is lost
    if what.startswith("too large"):
        connection.close()


def slowly(what, text):
    """A line that is slow, and not too slow."""
    with socket.create_connection((host, int(port)), timeout=30) as s:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nX-QF-SIGN: {sign(text)}\r\nContent-Length: {len(text)}\r\n\r\n"
        for piece in (head[:9].encode(), head[9:].encode(), text[:1], text[1:300], text[300:]):
            s.sendall(piece)
            time.sleep(0.05)
        answer = http.client.HTTPResponse(s)
        answer.begin()
        say(what, answer)


def raw(what, *lines, text):
    """A request of exactly these lines, for what a client does not write by itself."""
    with socket.create_connection((host, int(port)), timeout=30) as s:
        s.sendall("\r\n".join([*lines, "", ""]).encode() + text)
        answer = http.client.HTTPResponse(s)
        answer.begin()
        say(what, answer)


post("forged", body(), sign(body(), "0" * 32))
post("unsigned", body(), "")
post("signed with SHA256", body(), hashlib.sha256(body() + key.encode()).hexdigest().upper())
post("signed after writing it again", body(), sign(json.dumps(json.loads(body()), separators=(",", ":")).encode()))
post("wrong merchant", body(), to="/qfpay/notify/somebody-else")
post("merchant in another case", body(), to="/qfpay/notify/" + merchant.upper())
post("no such path", body(), to="/qfpay/notify")
post("a GET", b"", "", method="GET")
post("wrong amount", body(txamt=str(int(amount) + 1)))
post("amount in dollars", body(txamt="%.2f" % (int(amount) / 100)))
post("wrong currency", body(txcurrcd="CNY"))
post("no currency", body(txcurrcd=None))
post("no such order", body(out_trade_no=order + "_9"))
post("an order number that is a pattern", body(out_trade_no="*"))
post("malformed JSON", body()[:-1])
post("not JSON", b"status=1&notify_type=payment")
post("an answer to a create", body(notify_type=None, qrcode="https://qr.alipay.com/bax1"))
post("not a success", body(respcd="1143"))
post("too large", body(goods_info="x" * 70000))
post("too large, chunked", body(goods_info="x" * 70000), chunked=True)
post("refund before the payment", refund("0"))
slowly("slow", body())
post("doubled", body())
post("doubled, chunked", body(), chunked=True)
post("doubled, in lower case", body(), sign(body()).lower())
fields = json.loads(body())
line = f"POST {path} HTTP/1.1"
length, signed, close = f"Content-Length: {len(body())}", f"X-QF-SIGN: {sign(body())}", "Connection: close"
# The same in another notation is the same.
for what, text in {
    "other sequence": json.dumps(dict(reversed(fields.items()))).encode(),
    "compact": json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode(),
    "over several lines": json.dumps(fields, indent=2).encode(),
    "escaped": body().replace(order.encode(), "".join("\\u%04x" % ord(c) for c in order).encode()),
    "byte order mark": b"\xef\xbb\xbf" + body(),
    "numbers": body(txamt=int(amount), status=1, cancel=0),
    "a number with a point": body(txamt=float(amount)),
    "text with a point": body(txamt=amount + ".0"),
    "spaces": body(txamt=" " + amount, out_trade_no=order + " "),
    "currency in lower case": body(txcurrcd=currency.lower()),
    "currency as its number": body(txcurrcd="344"),
    "not UTF-8": body(goods_name="X").replace(b"X", b"\xff\xfe"),
}.items():
    post(what, text)
post("a form by its header", body(), more={"Content-Type": "application/x-www-form-urlencoded"})
post("with a query", body(), to=path + "?merchant=somebody-else")
raw("HTTP/1.0", line.replace("1.1", "1.0"), length, signed, text=body())
raw("header in lower case", line, "host: shop", length.lower(), signed.replace("X-QF-SIGN", "x-qf-sign"), close, text=body())
raw("asked for leave", line, "Host: shop", length, signed, "Expect: 100-continue", close, text=body())
# What is not the same, or not clear.
post("doubled members", body()[:-1] + b', "txamt": "1"}')
post("members in capitals", body(txamt=None, TXAMT=amount))
post("a fraction", body(txamt=int(amount) + 0.5))
post("a list", b"[" + body() + b"]")
post("amount in a list", body(txamt=[amount]))
post("true", body(txamt=True))
post("nested deeply", body(goods_info="X").replace(b'"X"', b"[" * 30000 + b"]" * 30000))
post("a zero byte", body() + b"\0")
post("order number in lower case", body(out_trade_no=order.lower()))
post("compressed", gzip.compress(body()), more={"Content-Encoding": "gzip"})
post("compressed after signing", gzip.compress(body()), sign(body()), more={"Content-Encoding": "gzip"})
post("a PUT", body(), method="PUT")
post("a HEAD", b"", "", method="HEAD")
post("below the merchant", body(), to=path + "/")
post("an escaped slash", body(), to=path + "%2F")
post("a detour", body(), to="/qfpay/notify/../notify/" + merchant)
raw("signed twice", line, "Host: shop", length, signed, signed, close, text=body())
raw("two lengths", line, "Host: shop", length, "Content-Length: 1", signed, close, text=body())
raw("a length and chunks", line, "Host: shop", length, "Transfer-Encoding: chunked", signed, close,
    text=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body()), body()))
raw("a broken chunk", line, "Host: shop", "Transfer-Encoding: chunked", signed, close, text=b"zz\r\n" + body())
post("refund", refund("1"))
post("refund of 2025", refund("2", notify_type="cancel"))
post("refund of too much", refund("3", txamt=str(int(amount) + 1)))
post("payment after its refund", body())
