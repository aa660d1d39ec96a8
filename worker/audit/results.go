package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// results checks every entry of the stream: its order must know it. An entry is written together
// with its order's journal, so a journal that is read after the entry must have it.
func (a *audit) results(ctx context.Context) error {
	reader := tasks.NewResults(a.node, a.keys)
	for from := ""; ; {
		entries, err := reader.Read(ctx, from, auditBatch)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := a.known(ctx, entries); err != nil {
			return err
		}
		from = entries[len(entries)-1].StreamID
	}
}

// known compares entries with the journals of their orders.
func (a *audit) known(ctx context.Context, entries []tasks.Entry) error {
	a.Results += len(entries)
	journals := make([]*redis.SliceCmd, len(entries))
	_, err := a.node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, e := range entries {
			journals[n] = pipe.HMGet(ctx, a.keys.Order(e.Result.OrderID()), "state", "entry", "past_results")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n, e := range entries {
		switch problem := unknownToJournal(e, journals[n].Val()); {
		case e.Err != nil:
			a.suspects["entry "+e.StreamID] = e.Err.Error()
		case problem != "":
			a.suspects[e.Result.OrderID()] = problem
		}
	}
	return nil
}

// unknownToJournal returns what is wrong with an entry that its order's journal does not know,
// or "". Where the journal has expired before the stream was trimmed, nothing can be said.
func unknownToJournal(e tasks.Entry, journal []any) string {
	state, exists := journal[0].(string)
	entry, _ := journal[1].(string)
	past, _ := journal[2].(string)
	former := slices.ContainsFunc(strings.Fields(past), func(one string) bool { return strings.HasSuffix(one, ":"+e.StreamID) })
	switch {
	case !exists, entry == e.StreamID, former:
		return ""
	case entry == "":
		return fmt.Sprintf("entry %s of the stream is a result of it, but it is %s", e.StreamID, state)
	}
	return fmt.Sprintf("has two results in the stream: %s, which it knows, and %s", entry, e.StreamID)
}
