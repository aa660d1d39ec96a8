// Enqueues 100 orders and reads their 100 results, with ioredis.
//
// Install: cd examples/node && npm ci
// Run:     REDIS_URL=redis://127.0.0.1:6379/0 node examples/node/enqueue_and_read.mjs [CONSUMER]
//
// REDIS_URL may be rediss:// and have user and password, percent-encoded (@ is %40, / is %2F, # is %23).
// With WORKER_PAYMENTS=on, as the worker has it, it then waits for what becomes of the codes.
// Ends with 0 when every order has its QR code, else with 1.
import Redis from "ioredis";
import qrcode from "qrcode-terminal";

const url = process.env.REDIS_URL || "redis://127.0.0.1:6379/0";
const prefix = process.env.WORKER_KEY_PREFIX || "{qfpay}";
const [requests, results, rejected, payments] = [":requests", ":results", ":requests:rejected", ":payments"].map((name) => prefix + name);
// Give each consumer a name of its own that is the same after a restart: what it has left is then given to it
// first. The name of the host is none: a container gets another one each time.
const [group, consumer] = ["example-node", process.argv[2] || "consumer-1"];
const claimAfter = 60_000; // ms: entries that another consumer has not acknowledged for so long are taken over
const patience = 150_000; // ms: an interactive order has its result, whatever it is, after two minutes or a little more

// ioredis takes any other scheme for the name of a host, and would connect in plain text.
if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
  console.error("REDIS_URL: must begin with redis:// or rediss://, and special characters in it must be percent-encoded");
  process.exit(1);
}
const db = new Redis(url);
// Only messages are shown: an error as a whole has its command, AUTH with the password for example.
db.on("error", (error) => console.error(`Redis: ${error.message}`));

// Puts n orders on the request stream, one field for each of the order's. Returns their ids, and the
// entries they are in.
async function enqueue(n) {
  const pipeline = db.pipeline();
  const ids = new Set();
  for (let i = 0; i < n; i++) {
    const number = `JS-${Date.now()}-${process.pid}-${i}`;
    pipeline.xadd(requests, "*", "out_trade_no", number, "pay_type", "800201", "txamt", 1000 + i, "txcurrcd", "HKD",
      "lane", "interactive"); // somebody waits for it: it goes before a backlog in bulk
    ids.add(`default:${number}`);
  }
  const entries = [];
  for (const [error, entry] of await pipeline.exec()) {
    if (error) throw error;
    entries.push(entry);
  }
  return [ids, entries];
}

// Names and values by turns, as Redis gives them, become an object.
function object(fields) {
  const named = {};
  for (let i = 0; i < fields.length; i += 2) named[fields[i]] = fields[i + 1];
  return named;
}

// The entries of one XREADGROUP.
async function read(start) {
  return entriesOf(results, await db.xreadgroup("GROUP", group, consumer, "COUNT", 50, "BLOCK", 1000, "STREAMS", results, start));
}

// The answer has streams with their entries: pairs in RESP2, an object in RESP3 (ioredis 6 with replyMapping resp3).
function entriesOf(stream, answer) {
  if (!answer) return [];
  return Array.isArray(answer) ? answer[0][1] : answer[stream];
}

// Yields lists of the results that fall to this consumer: what it left, then new ones, and from time to time
// those of a consumer that does not come back. Reading is at least once: a reader must accept a result that
// comes again.
async function* batches() {
  const end = Date.now() + patience;
  let [claim, cursor] = [0, "0-0"];
  for (let start = "0"; Date.now() < end; ) {
    const entries = await read(start);
    if (entries.length === 0) start = ">";
    yield entries;
    if (start === ">" && Date.now() >= claim) {
      const answer = await db.xautoclaim(results, group, consumer, claimAfter, cursor, "COUNT", 50);
      cursor = answer[0];
      if (cursor === "0-0") claim = Date.now() + claimAfter; // all were looked at
      yield answer[1];
    }
  }
}

function settle(result, waiting, created) {
  if (!waiting.delete(result.id)) return; // somebody else's order, or one that came twice
  if (result.outcome === "created") created.push(result);
  else console.error(result.out_trade_no, result.outcome, result.reason);
}

// Counts what becomes of codes: each is paid, expired or closed, once. IDs of entries are times, so start may be
// one of another stream. An event may come again after a failure, and refunds may follow: the set takes care of both.
async function follow(ids, start) {
  const [became, end] = [{ paid: 0 }, Date.now() + patience];
  while (ids.size > 0 && Date.now() < end) {
    for (const [entry, fields] of entriesOf(payments, await db.xread("COUNT", 100, "BLOCK", 1000, "STREAMS", payments, start))) {
      const { event, merchant, out_trade_no } = object(fields);
      start = entry;
      if (!["paid", "expired", "closed"].includes(event) || !ids.delete(`${merchant}:${out_trade_no}`)) continue;
      became[event] = (became[event] ?? 0) + 1;
    }
  }
  return became;
}

async function main() {
  await db.xgroup("CREATE", results, group, "$", "MKSTREAM").catch((error) => {
    if (!error.message.startsWith("BUSYGROUP")) throw error;
  });
  const [waiting, entries] = await enqueue(100);
  const created = [];
  for await (const batch of batches()) {
    for (const pair of batch) {
      if (!pair) continue; // Redis 6.2 says only that an entry is gone
      const [entry, fields] = pair;
      if (fields) settle(object(fields), waiting, created);
      else console.error(`entry ${entry} was trimmed before it was acknowledged: its result is lost to this group`);
      await db.xack(results, group, entry); // only now: done with it
    }
    if (waiting.size === 0) break;
  }
  if (waiting.size > 0) {
    for (const [, fields] of await db.xrange(rejected, entries[0], "+")) {
      const refused = object(fields);
      if (entries.includes(refused.id)) console.error("refused:", refused.reason);
    }
  }
  if (created.length > 0) {
    console.log(created[0].out_trade_no, created[0].qrcode);
    qrcode.generate(created[0].qrcode, { small: true }, (text) => console.log(text));
  }
  if (process.env.WORKER_PAYMENTS === "on") {
    const became = await follow(new Set(created.map((result) => result.id)), entries[0]);
    console.log(Object.entries(became).map(([event, n]) => `${event}=${n}`).join(" "));
  }
  console.log(`created=${created.length} missing=${waiting.size}`);
  return created.length === 100 ? 0 : 1;
}

process.exitCode = await main()
  .catch((error) => {
    console.error(error.message);
    return 1;
  })
  .finally(() => db.disconnect());
