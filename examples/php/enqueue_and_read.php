<?php
// Enqueues 100 orders and reads their 100 results, with phpredis.
//
// Debian: apt-get install php-cli php-redis php-bacon-qr-code
// Run:    REDIS_URL=redis://127.0.0.1:6379/0 php examples/php/enqueue_and_read.php [CONSUMER]
//
// REDIS_URL may be rediss:// and have user and password, percent-encoded (@ is %40, / is %2F, # is %23).
// With WORKER_PAYMENTS=on, as the worker has it, it then waits for what becomes of the codes.
// Ends with 0 when every order has its QR code, else with 1.
declare(strict_types=1);

require 'Bacon/BaconQrCode/autoload.php';

$prefix = getenv('WORKER_KEY_PREFIX') ?: '{qfpay}';
[$requests, $results, $rejected] = ["$prefix:requests", "$prefix:results", "$prefix:requests:rejected"];
// Give each consumer a name of its own that is the same after a restart: what it has left is then given to it
// first. The name of the host is none: a container gets another one each time.
[$group, $consumer] = ['example-php', $argv[1] ?? 'consumer-1'];
const CLAIM_AFTER = 60_000; // ms: entries that another consumer has not acknowledged for so long are taken over
$patience = 150; // seconds: an interactive order has its result, whatever it is, after two minutes or a little more

/** Connects as the URL says. Other schemes than redis:// and rediss:// are refused, never tried in plain text. */
function connect(string $url): Redis
{
    $at = parse_url($url);
    $tls = match ($at['scheme'] ?? '') {
        'redis' => '',
        'rediss' => 'tls://',
        default => throw new InvalidArgumentException('REDIS_URL: must begin with redis:// or rediss://'),
    };
    if (!isset($at['host'])) {
        throw new InvalidArgumentException('REDIS_URL: names no host; special characters in a password must be percent-encoded');
    }
    $db = new Redis();
    $host = $tls === '' ? trim($at['host'], '[]') : $tls . $at['host']; // of IPv6, phpredis adds the brackets itself
    $db->connect($host, $at['port'] ?? 6379);
    $user = rawurldecode($at['user'] ?? '');
    if (isset($at['pass'])) {
        $password = rawurldecode($at['pass']);
        $db->auth($user !== '' ? [$user, $password] : $password);
    }
    $db->select((int) ltrim($at['path'] ?? '0', '/'));
    return $db;
}

/** Creates the group, before the orders, so that no result is missed. */
function createGroup(Redis $db, string $results, string $group): void
{
    if (!$db->xGroup('CREATE', $results, $group, '$', true) && !str_starts_with((string) $db->getLastError(), 'BUSYGROUP')) {
        throw new RuntimeException('XGROUP CREATE: ' . $db->getLastError());
    }
    $db->clearLastError();
}

/** Puts n orders on the request stream, as JSON. Returns their ids as keys, and the entries they are in. */
function enqueue(Redis $db, string $requests, int $n): array
{
    $ids = [];
    $pipe = $db->pipeline();
    for ($i = 0; $i < $n; $i++) {
        $order = ['out_trade_no' => sprintf('PHP-%d-%d-%d', time(), getmypid(), $i), 'pay_type' => '800101',
            'txamt' => 1000 + $i, 'txcurrcd' => 'HKD',
            'lane' => 'interactive']; // somebody waits for it: it goes before a backlog in bulk
        $pipe->xAdd($requests, '*', ['order' => json_encode($order, JSON_THROW_ON_ERROR)]);
        $ids['default:' . $order['out_trade_no']] = true;
    }
    return [$ids, $pipe->exec()];
}

/**
 * Yields lists of the results that fall to this consumer: what it left, then new ones, and from time to time
 * those of a consumer that does not come back. Reading is at least once: a reader must accept a result that
 * comes again.
 */
function batches(Redis $db, string $results, string $group, string $consumer, int $patience): Generator
{
    $end = time() + $patience;
    [$claim, $cursor] = [0, '0-0'];
    for ($start = '0'; time() < $end;) {
        $answer = $db->xReadGroup($group, $consumer, [$results => $start], 50, 1000) ?: [];
        $entries = $answer[$results] ?? [];
        if (!$entries) {
            $start = '>';
        }
        yield $entries;
        if ($start === '>' && time() >= $claim) {
            // As a raw command: phpredis 5.3 has no xAutoClaim, and fields come as names and values by turns.
            [$cursor, $entries] = $db->rawCommand('XAUTOCLAIM', $results, $group, $consumer, CLAIM_AFTER, $cursor, 'COUNT', 50);
            if ($cursor === '0-0') { // all were looked at
                $claim = time() + CLAIM_AFTER / 1000;
            }
            yield named($entries);
        }
    }
}

/** Turns entries as Redis gives them into those of xReadGroup: id => fields, or null where they are gone. */
function named(array $entries): array
{
    $byId = [];
    foreach (array_filter($entries) as [$id, $fields]) { // Redis 6.2 gives nothing for an entry that is gone
        $pairs = array_chunk($fields ?: [], 2);
        $byId[$id] = array_column($pairs, 1, 0) ?: null;
    }
    return $byId;
}

function settle(array $result, array &$waiting, array &$created): void
{
    if (!isset($waiting[$result['id'] ?? ''])) {
        return; // somebody else's order, or one that came twice
    }
    unset($waiting[$result['id']]);
    if ($result['outcome'] === 'created') {
        $created[] = $result;
    } else {
        fwrite(STDERR, "{$result['out_trade_no']} {$result['outcome']} {$result['reason']}\n");
    }
}

/**
 * Counts what becomes of codes: each is paid, expired or closed, once. IDs of entries are times, so start may be one
 * of another stream. An event may come again after a failure, and refunds may follow: unset takes care of both.
 */
function follow(Redis $db, string $payments, array $ids, string $start, int $patience): array
{
    [$became, $end] = [['paid' => 0], time() + $patience];
    while ($ids && time() < $end) {
        foreach ($db->xRead([$payments => $start], 100, 1000)[$payments] ?? [] as $start => $event) {
            $order = "{$event['merchant']}:{$event['out_trade_no']}";
            if (in_array($event['event'], ['paid', 'expired', 'closed'], true) && isset($ids[$order])) {
                unset($ids[$order]);
                $became[$event['event']] = ($became[$event['event']] ?? 0) + 1;
            }
        }
    }
    return $became;
}

try {
    $db = connect(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379/0');
} catch (InvalidArgumentException | RedisException $e) { // its trace may have the password in it
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
createGroup($db, $results, $group);
[$waiting, $entries] = enqueue($db, $requests, 100);
$created = [];
foreach (batches($db, $results, $group, $consumer, $patience) as $batch) {
    foreach ($batch as $entry => $result) {
        if ($result) {
            settle($result, $waiting, $created);
        } else {
            fwrite(STDERR, "entry $entry was trimmed before it was acknowledged: its result is lost to this group\n");
        }
        $db->xAck($results, $group, [$entry]); // only now: done with it
    }
    if (!$waiting) {
        break;
    }
}
foreach ($waiting ? $db->xRange($rejected, $entries[0], '+') : [] as $refused) {
    if (in_array($refused['id'], $entries, true)) {
        fwrite(STDERR, "refused: {$refused['reason']}\n");
    }
}
if ($created) {
    echo "{$created[0]['out_trade_no']} {$created[0]['qrcode']}\n";
    echo (new BaconQrCode\Writer(new BaconQrCode\Renderer\PlainTextRenderer()))->writeString($created[0]['qrcode']);
}
if (getenv('WORKER_PAYMENTS') === 'on') {
    $became = follow($db, "$prefix:payments", array_fill_keys(array_column($created, 'id'), true), $entries[0], $patience);
    echo implode(' ', array_map(fn ($event, $n) => "$event=$n", array_keys($became), $became)), "\n";
}
printf("created=%d missing=%d\n", count($created), count($waiting));
exit(count($created) === 100 ? 0 : 1);
