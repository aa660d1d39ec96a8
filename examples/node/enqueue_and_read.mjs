// Enqueues 100 orders and reads their 100 results, with ioredis.
//
// Install: cd examples/node && npm ci
// Run:     REDIS_URL=redis://127.0.0.1:6379/0 node examples/node/enqueue_and_read.mjs
//
// Ends with 0 when every order has its QR code, else with 1.
import os from "node:os";
import Redis from "ioredis";
import qrcode from "qrcode-terminal";

const prefix = process.env.WORKER_KEY_PREFIX ?? "{qfpay}";
const [requests, results, rejected] = [":requests", ":results", ":requests:rejected"].map((name) => prefix + name);
// The name is the same after a restart: what this consumer has left is then given to it first.
const [group, consumer] = ["example-node", os.hostname()];
const patience = 150_000; // ms: an interactive order has its result, whatever it is, after two minutes or a little more

const db = new Redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0");

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

// Yields lists of the results that fall to this consumer: what it left, then new ones. Reading
// is at least once: a reader must accept a result that comes again.
async function* batches() {
  const end = Date.now() + patience;
  for (let start = "0"; Date.now() < end; ) {
    const answer = await db.xreadgroup("GROUP", group, consumer, "COUNT", 50, "BLOCK", 1000, "STREAMS", results, start);
    const entries = answer?.[0][1] ?? [];
    if (entries.length === 0) start = ">";
    yield entries;
  }
}

function settle(result, waiting, created) {
  if (!waiting.delete(result.id)) return; // somebody else's order, or one that came twice
  if (result.outcome === "created") created.push(result);
  else console.error(result.out_trade_no, result.outcome, result.reason);
}

async function main() {
  await db.xgroup("CREATE", results, group, "$", "MKSTREAM").catch((error) => {
    if (!error.message.startsWith("BUSYGROUP")) throw error;
  });
  const [waiting, entries] = await enqueue(100);
  const created = [];
  for await (const batch of batches()) {
    for (const [entry, fields] of batch) {
      settle(object(fields), waiting, created);
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
  console.log(`created=${created.length} missing=${waiting.size}`);
  return created.length === 100 ? 0 : 1;
}

process.exitCode = await main().finally(() => db.disconnect());
