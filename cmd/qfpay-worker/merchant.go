package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/console"
	"github.com/qfpay-worker/qfpay-worker/cmd/internal/redischeck"
	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker/inspect"
)

// MerchantCmd has the commands for merchants.
type MerchantCmd struct {
	List   MerchantListCmd   `cmd:"" help:"List the merchants of the running workers, what waits, and what is paused."`
	Pause  MerchantPauseCmd  `cmd:"" help:"Let no order of a merchant leave any more, or none of one pay type."`
	Resume MerchantResumeCmd `cmd:"" help:"End a pause."`
}

// MerchantListCmd lists merchants.
type MerchantListCmd struct {
	RedisConfig
	Format string `help:"table or json (one object per merchant)." default:"table"`
}

// Help is shown below the flags.
func (MerchantListCmd) Help() string {
	return `Lists the merchants that running workers have, those that are paused, and those that
orders wait for. Waiting are all orders without a result, also those whose not_before is
ahead. That QFPay refuses a merchant, each worker finds out for itself; the metric
qfpay_merchant_held shows it.`
}

// Run implements the command.
func (c *MerchantListCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys := c.redis(&found), c.keys(&found)
	c.Format = found.choice("--format", c.Format, "table", "json")
	if err := found.err(); err != nil {
		return err
	}
	var all []inspect.Merchant
	err := withInspector(ctx, std.err, server, keys, redischeck.Inspector, func(ctx context.Context, i *inspect.Inspector) (err error) {
		all, err = i.Merchants(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if c.Format == "json" {
		out := json.NewEncoder(printable.Writer(std.out))
		for _, m := range all {
			if err := out.Encode(m); err != nil {
				return err
			}
		}
		return nil
	}
	t := console.NewTable("merchant", "worker", "waiting", "paused")
	for _, m := range all {
		running := "none"
		if m.Running {
			running = "running"
		}
		row := []string{m.Name, running, strconv.Itoa(m.Waiting)}
		for _, p := range m.Pauses {
			t.Add(append(row, pausedText(p))...)
			row = []string{"", "", ""}
		}
		if len(m.Pauses) == 0 {
			t.Add(row...)
		}
	}
	return t.Write(std.out)
}

// pausedText says what a pause is, since when and by whom.
func pausedText(p inspect.Pause) string {
	since := "unknown"
	if !p.Since.IsZero() {
		since = p.Since.UTC().Format(tasks.TimeLayout)
	}
	what := "all pay types"
	if p.PayType != "" {
		what = "pay type " + string(p.PayType)
	}
	return what + ", since " + since + " by " + cmp.Or(p.By, "unknown")
}

// merchantFlags name what is paused.
type merchantFlags struct {
	Name    string `arg:"" name:"name" help:"The merchant."`
	PayType string `help:"One pay type only, for example 800201. Default: all of them."`
	RedisConfig
}

// resolve checks the settings and the flags together.
func (c *merchantFlags) resolve(found *checks) (Redis, tasks.Keys, qfpay.PayType) {
	server, keys := c.redis(found), c.keys(found)
	if !tasks.ValidMerchant(c.Name) {
		found.failed("name", "must be 1 to 64 letters, digits, _ or -, not %.80q", c.Name)
	}
	t := qfpay.PayType(c.PayType)
	if c.PayType != "" && !t.Known() {
		found.failed("--pay-type", "must be one of %s, not %.80q", strings.Join(payTypes(), ", "), c.PayType)
	}
	return server, keys, t
}

func payTypes() (names []string) {
	for _, t := range qfpay.PayTypes() {
		names = append(names, string(t))
	}
	return names
}

// what names what is paused.
func (c *merchantFlags) what() string {
	if c.PayType == "" {
		return c.Name
	}
	return c.Name + ", pay type " + c.PayType
}

// MerchantPauseCmd pauses a merchant.
type MerchantPauseCmd struct {
	merchantFlags
	By    string `help:"Who pauses it. Default: the user and the host of this command."`
	Force bool   `help:"Also if no running worker has the merchant."`
}

// Help is shown below the flags.
func (MerchantPauseCmd) Help() string {
	return `From here on no create leaves for the merchant, from any worker; one that is on its way
to QFPay just now still arrives. Orders that QFPay may have are cleared up as ever, by
queries and closes. The others wait; at its deadline an order expires as ever. The pause
lasts until merchant resume.

Exit code 2: no running worker has the merchant.`
}

// Run implements the command.
func (c *MerchantPauseCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, payType := c.resolve(&found)
	by := c.By
	if by == "" {
		by = whoami()
	}
	if by = printable.String(by); utf8.RuneCountInString(by) > 200 {
		found.failed("--by", "must be at most 200 characters")
	}
	if err := found.err(); err != nil {
		return err
	}
	var p inspect.Pause
	var isNew bool
	var running []string
	err := withInspector(ctx, std.err, server, keys, redischeck.Operator, func(ctx context.Context, i *inspect.Inspector) (err error) {
		if running, err = i.Running(ctx); err != nil || !c.Force && !slices.Contains(running, c.Name) {
			return err
		}
		p, isNew, err = i.Pause(ctx, c.Name, payType, by)
		return err
	})
	switch {
	case err != nil:
		return err
	case p.Merchant == "" && len(running) == 0:
		return inputError{fmt.Errorf("no worker runs, so whether there is a merchant %s cannot be checked; --force pauses it all the same", c.Name)}
	case p.Merchant == "":
		return inputError{fmt.Errorf("no running worker has the merchant %s; they have: %s", c.Name, strings.Join(running, ", "))}
	}
	was := "paused"
	if !isNew {
		was = "was paused before"
	}
	_, err = fmt.Fprintf(std.out, "%s: %s: %s\n", c.Name, was, pausedText(p))
	return err
}

// whoami is who runs this command, as far as the system tells.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

// MerchantResumeCmd ends a pause.
type MerchantResumeCmd struct{ merchantFlags }

// Help is shown below the flags.
func (MerchantResumeCmd) Help() string {
	return `Ends the pause of the merchant, or with --pay-type that of the pay type; a merchant and its
pay types are paused apart. Its orders go on within 3 s.`
}

// Run implements the command.
func (c *MerchantResumeCmd) Run(ctx context.Context, std stdio) error {
	var found checks
	server, keys, payType := c.resolve(&found)
	if err := found.err(); err != nil {
		return err
	}
	var was bool
	var orders int
	var left []inspect.Pause
	err := withInspector(ctx, std.err, server, keys, redischeck.Operator, func(ctx context.Context, i *inspect.Inspector) (err error) {
		if was, orders, err = i.Resume(ctx, c.Name, payType); err != nil {
			return err
		}
		left, err = i.Pauses(ctx)
		return err
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s: resumed; waiting orders: %d", c.what(), orders)
	if !was {
		text = c.what() + ": was not paused"
	}
	if _, err := fmt.Fprintln(std.out, text); err != nil {
		return err
	}
	for _, p := range left {
		if p.Merchant == c.Name {
			fmt.Fprintf(std.out, "%s: still paused: %s\n", c.Name, pausedText(p))
		}
	}
	return nil
}
