<?php
// Enqueues 100 orders and reads their 100 results, with phpredis.
//
// Debian: apt-get install php-cli php-redis php-bacon-qr-code
// Run:    REDIS_URL=redis://127.0.0.1:6379/0 php examples/php/enqueue_and_read.php
//
// Ends with 0 when every order has its QR code, else with 1.
declare(strict_types=1);

require 'Bacon/BaconQrCode/autoload.php';

$prefix = getenv('WORKER_KEY_PREFIX') ?: '{qfpay}';
[$requests, $results, $rejected] = ["$prefix:requests", "$prefix:results", "$prefix:requests:rejected"];
// The name is the same after a restart: what this consumer has left is then given to it first.
[$group, $consumer] = ['example-php', gethostname()];
$patience = 150; // seconds: an interactive order has its result, whatever it is, after two minutes or a little more

function connect(string $url): Redis
{
    $at = parse_url($url);
    $db = new Redis();
    $db->connect($at['host'], $at['port'] ?? 6379);
    if (isset($at['pass'])) {
        $db->auth(($at['user'] ?? '') !== '' ? [$at['user'], $at['pass']] : $at['pass']);
    }
    $db->select((int) ltrim($at['path'] ?? '0', '/'));
    return $db;
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
 * Yields lists of the results that fall to this consumer: what it left, then new ones. Reading
 * is at least once: a reader must accept a result that comes again.
 */
function batches(Redis $db, string $results, string $group, string $consumer, int $patience): Generator
{
    $end = time() + $patience;
    for ($start = '0'; time() < $end;) {
        $answer = $db->xReadGroup($group, $consumer, [$results => $start], 50, 1000) ?: [];
        $entries = $answer[$results] ?? [];
        if (!$entries) {
            $start = '>';
        }
        yield $entries;
    }
}

function settle(array $result, array &$waiting, array &$created): void
{
    if (!isset($waiting[$result['id']])) {
        return; // somebody else's order, or one that came twice
    }
    unset($waiting[$result['id']]);
    if ($result['outcome'] === 'created') {
        $created[] = $result;
    } else {
        fwrite(STDERR, "{$result['out_trade_no']} {$result['outcome']} {$result['reason']}\n");
    }
}

$db = connect(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379/0');
$db->xGroup('CREATE', $results, $group, '$', true); // false when it is there already
$db->clearLastError();
[$waiting, $entries] = enqueue($db, $requests, 100);
$created = [];
foreach (batches($db, $results, $group, $consumer, $patience) as $batch) {
    foreach ($batch as $entry => $result) {
        settle($result, $waiting, $created);
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
printf("created=%d missing=%d\n", count($created), count($waiting));
exit(count($created) === 100 ? 0 : 1);
