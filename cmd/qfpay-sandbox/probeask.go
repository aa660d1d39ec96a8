package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/setting"
	"github.com/qfpay-worker/qfpay-worker/cmd/qfpay-sandbox/internal/probe"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// announce says what the probe will do, and what it costs.
func (c *ProbeCmd) announce(w io.Writer, m qfpay.Merchant, j *probe.Journal) {
	types := c.payTypes()
	amount := fmt.Sprintf("%d minor units of %s", c.TxAmt, printable.String(c.TxCurrCd))
	fmt.Fprintf(w, `This asks QFPay at %s, as app_code %s, about %s:
  orders   %d to %d, rarely up to %d, of %s each. Their QR codes are not shown,
           so nobody can pay them. They are closed at the end, or run out after 20 to 30 minutes
  calls    %d to %d, one every %s: some %s
  cost     none. QFPay's portal will show the orders
  files    %s (what was sent and found), %s (settings)
`, m.BaseURL, printable.String(m.AppCode), strings.Trim(fmt.Sprint(types), "[]"), fewOrders*len(types), manyOrders*len(types), mostOrders*len(types), amount,
		fewCalls*len(types), manyCalls*len(types), c.Gap, about(len(types), c.Gap), printable.String(c.Journal), printable.String(c.Write))
	for _, file := range []string{c.ClientKeyFile, c.ProxyPasswordFile} {
		if warning, yes := setting.Exposed(file); yes {
			fmt.Fprintf(w, "  warning  %s\n", printable.String(warning))
		}
	}
	if n := len(j.Observations()); n > 0 {
		fmt.Fprintf(w, "It goes on from %s, with %d observations, and asks only what is open.\n", printable.String(c.Journal), n)
	}
}

// What a pay type takes: two orders if everything is taken at once; eight if each question needs its
// own. The most are those of a gateway that loses its answers.
const (
	fewOrders, manyOrders, mostOrders = 2, 8, 20
	fewCalls, manyCalls               = 15, 60
)

func about(types int, gap time.Duration) string {
	few, many := time.Duration(fewCalls*types)*gap, time.Duration(manyCalls*types)*gap
	return fmt.Sprintf("%s to %s", few.Round(time.Second), many.Round(time.Second))
}

// confirm asks whether to begin.
func (c *ProbeCmd) confirm(ctx context.Context, std stdio) error {
	if c.Yes {
		return nil
	}
	if in, ok := std.in.(io.Writer); !ok || !console.IsTerminal(in) {
		return fmt.Errorf("%w: nobody can be asked here, because this is no terminal; add --yes to begin", errInput)
	}
	fmt.Fprint(std.err, "Begin? [y/N] ")
	return answered(ctx, std.in)
}

// answered reads the answer. The error says that it is not yes.
func answered(ctx context.Context, in io.Reader) error {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(in).ReadString('\n') // an error is no yes
		line <- text
	}()
	select {
	case text := <-line:
		switch strings.ToLower(strings.TrimSpace(text)) {
		case "y", "yes":
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New("nothing was sent")
}

// oneLine returns a text from outside on one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
