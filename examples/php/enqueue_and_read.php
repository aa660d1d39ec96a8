<?php
// Enqueues 100 orders and reads their 100 results, with phpredis.
//
// Debian: apt-get install php-cli php-redis
// Run:    REDIS_URL=redis://127.0.0.1:6379/0 php examples/php/enqueue_and_read.php
//
// Ends with 0 when every order has its QR code, else with 1. It prints the text of one QR
// code: any library that draws QR codes draws it.
declare(strict_types=1);

$prefix = getenv('WORKER_KEY_PREFIX') ?: '{qfpay}';
[$requests, $results, $rejected] = ["$prefix:requests", "$prefix:results", "$prefix:requests:rejected"];
[$group, $consumer] = ['example-php', gethostname() . '-' . getmypid()];
$patience = 60; // seconds

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

/** Puts n orders on the request stream, as JSON, and returns their ids as keys. */
function enqueue(Redis $db, string $requests, int $n): array
{
    $ids = [];
    $pipe = $db->pipeline();
    for ($i = 0; $i < $n; $i++) {
        $order = ['out_trade_no' => sprintf('PHP-%d-%d-%d', time(), getmypid(), $i), 'pay_type' => '800101',
            'txamt' => 1000 + $i, 'txcurrcd' => 'HKD'];
        $pipe->xAdd($requests, '*', ['order' => json_encode($order, JSON_THROW_ON_ERROR)]);
        $ids['default:' . $order['out_trade_no']] = true;
    }
    $pipe->exec();
    return $ids;
}

/**
 * Yields the results that fall to this consumer: what it left, then new ones. Reading is at
 * least once: whoever reads must put up with a result that comes again.
 */
function read(Redis $db, string $results, string $group, string $consumer, int $patience): Generator
{
    $end = time() + $patience;
    for ($start = '0'; time() < $end; $start = '>') {
        $answer = $db->xReadGroup($group, $consumer, [$results => $start], 50, 1000) ?: [];
        foreach ($answer[$results] ?? [] as $entry => $result) {
            yield $result;
            $db->xAck($results, $group, [$entry]); // only now: done with it
        }
    }
}

$db = connect(getenv('REDIS_URL') ?: 'redis://127.0.0.1:6379/0');
$db->xGroup('CREATE', $results, $group, '$', true); // false when it is there already
$db->clearLastError();
$waiting = enqueue($db, $requests, 100);
$created = [];
foreach (read($db, $results, $group, $consumer, $patience) as $result) {
    if (!isset($waiting[$result['id']])) {
        continue; // somebody else's order, or one that came twice
    }
    unset($waiting[$result['id']]);
    if ($result['outcome'] === 'created') {
        $created[] = $result;
    } else {
        fwrite(STDERR, "{$result['out_trade_no']} {$result['outcome']} {$result['reason']}\n");
    }
    if (!$waiting) {
        break;
    }
}
foreach ($waiting ? $db->xRevRange($rejected, '+', '-', 10) : [] as $refused) {
    fwrite(STDERR, "refused: {$refused['reason']}\n");
}
if ($created) {
    echo "{$created[0]['out_trade_no']} {$created[0]['qrcode']}\n";
}
printf("created=%d missing=%d\n", count($created), count($waiting));
exit(count($created) === 100 ? 0 : 1);
