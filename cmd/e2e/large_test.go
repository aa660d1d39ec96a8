package e2e

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/internal/redistest"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// `make large` uses larger sizes.
var (
	largeFile    = flag.Int64("large.file", 24<<20, "bytes of the file in TestEnqueue_LargeFileNeedsNoMoreMemoryThanASmallOne")
	largeResults = flag.Int("large.results", 20_000, "results that the consumer of TestResults_ConsumerThatWasAwayReadsEverything has missed")
)

// enqueue needs memory only for a batch, for files of any size. The rows of the file repeat, so
// that Redis does not need much memory either.
func TestEnqueue_LargeFileNeedsNoMoreMemoryThanASmallOne(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	small := enqueueMeasured(t, redis, 4<<20)
	large := enqueueMeasured(t, redis, *largeFile)
	t.Logf("%d MB at most for a file of 4 MB, %d MB for one of %d MB", small>>20, large>>20, *largeFile>>20)
	if large > small+(*largeFile-4<<20)/2 {
		t.Errorf("a file of %d bytes needs %d bytes of memory, and one of %d bytes %d", 4<<20, small, *largeFile, large)
	}
}

// enqueueMeasured enqueues a file of that size and returns the peak memory.
func enqueueMeasured(t *testing.T, redis *redistest.Server, size int64) (peak int64) {
	t.Helper()
	p := start(t, []string{"REDIS_URL=" + redis.URL}, "qfpay-worker", "enqueue", repeatedFile(t, size))
	began := time.Now()
	for {
		select {
		case <-p.ended:
			if code := p.cmd.ProcessState.ExitCode(); code != 0 || peak == 0 {
				t.Fatalf("ended with %d, its memory was seen to be %d: %s", code, peak, p.err.tail(1000))
			}
			t.Logf("%d bytes in %s: %s", size, time.Since(began).Round(time.Millisecond), strings.TrimSpace(p.out.text()))
			return peak
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, peakMemory(p.cmd.Process.Pid))
		}
	}
}

// peakMemory returns the peak memory of a process, or 0 if it has ended. The value of wait(2)
// would include the memory of the parent.
func peakMemory(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, kB, _ := cut(string(status), "VmHWM:", "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(kB), 10, 64)
	return n << 10
}

// repeatedFile writes NDJSON of at least that size: 5,000 orders, repeated.
func repeatedFile(t *testing.T, size int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "orders.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	address := "https://shop.example/paid?" + strings.Repeat("a=1&", 50)
	for n, written := 0, int64(0); written < size; n++ {
		w, err := fmt.Fprintf(out, `{"out_trade_no":"L%d","pay_type":"801501","txamt":%d,"txcurrcd":"HKD","goods_name":"珍珠奶茶","notify_url":"%s"}`+"\n",
			n%5000, 100+n%5000, address)
		if err != nil {
			t.Fatal(err)
		}
		written += int64(w)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// A consumer returns after days and reads every result that it has missed, once and in order,
// although workers have trimmed the stream after another consumer.
func TestResults_ConsumerThatWasAwayReadsEverything(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	rdb, stream := redis.Client(t), tasks.Keys{Prefix: tasks.DefaultPrefix}.Results()
	for _, group := range []string{"away", "here"} {
		if err := rdb.XGroupCreateMkStream(t.Context(), stream, group, "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
	publishMissed(t, rdb, stream, 1000) // both have read these, and they are trimmed
	for _, group := range []string{"away", "here"} {
		if err := rdb.XGroupSetID(t.Context(), stream, group, "$").Err(); err != nil {
			t.Fatal(err)
		}
	}
	publishMissed(t, rdb, stream, *largeResults)
	if err := rdb.XGroupSetID(t.Context(), stream, "here", "$").Err(); err != nil {
		t.Fatal(err)
	}
	startWorker(t, settings(redis, startGateway(t), rightKey))
	eventually(t, "a worker has trimmed the stream", patience, func() bool {
		return rdb.XLen(t.Context(), stream).Val() < int64(1000+*largeResults)
	})

	began := time.Now()
	readMissed(t, redis, *largeResults)
	took := time.Since(began)
	t.Logf("%d results in %s, %.0f a second", *largeResults, took.Round(time.Millisecond), float64(*largeResults)/took.Seconds())
	if p := rdb.XPending(t.Context(), stream, "away").Val(); p.Count != 0 {
		t.Errorf("%d results are not acknowledged", p.Count)
	}
}

// publishMissed adds n results that are five days old to the stream.
func publishMissed(t *testing.T, rdb *redis.Client, stream string, n int) {
	t.Helper()
	at := rdb.Time(t.Context()).Val().Add(-5 * 24 * time.Hour).UnixMilli()
	for from := 0; from < n; from += 1000 {
		_, err := rdb.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for i := from; i < min(n, from+1000); i++ {
				r := tasks.Result{V: tasks.ResultVersion, ID: fmt.Sprint("default:M", i), Merchant: tasks.DefaultMerchant, OutTradeNo: fmt.Sprint("M", i),
					Outcome: string(tasks.Created), QRCode: "https://qr.example/" + strings.Repeat("x", 60), Response: strings.Repeat("y", 300)}
				pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, ID: fmt.Sprintf("%d-*", at), Values: r.Values()})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// readMissed runs `qfpay-worker results` as a consumer, which must print all n in order.
func readMissed(t *testing.T, redis *redistest.Server, n int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "qfpay-worker"), "results", "--group", "away", "--consumer", "c", "--format", "json")
	cmd.Env, cmd.Stderr = []string{"REDIS_URL=" + redis.URL}, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, read := bufio.NewReaderSize(out, 64<<10), 0
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !strings.Contains(line, fmt.Sprintf(`"id":"default:M%d",`, read)) {
			t.Fatalf("result %d is %q, %v", read, line, err)
		}
		read++
	}
	if err := cmd.Wait(); err != nil || read != n {
		t.Errorf("%d results of %d were read, %v", read, n, err)
	}
}
