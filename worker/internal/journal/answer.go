package journal

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// Answer is what came of a create, as the journal keeps it.
type Answer = policy.Answer

// ParseAnswer reads an answer of the journal. It returns nil for what is none.
func ParseAnswer(text string) *Answer {
	var a Answer
	if text == "" || json.Unmarshal([]byte(text), &a) != nil {
		return nil
	}
	return &a
}

// LastWords returns what came of the latest create in a few words, or "".
func (c *Claim) LastWords() string {
	last := c.Answer
	if c.NoAnswer != nil && (last == nil || !c.NoAnswer.At.Before(last.At)) {
		last = c.NoAnswer
	}
	if last == nil {
		return ""
	}
	return last.Words()
}

// verdictNames are the verdicts as the journal has them. That of a re-opened order, "was …", is
// none.
var verdictNames = [policy.Verdicts]string{policy.NoVerdict: "", policy.Lost: "lost", policy.Open: "open", policy.Failing: "failing", policy.Holding: "holding", policy.Refusing: "refusing"}

func verdictNamed(name string) policy.Verdict {
	return policy.Verdict(max(slices.Index(verdictNames[:], name), 0))
}

// Answered keeps what came of the create that was sent last under this number. verdict is about
// this create; the claim then has the one about all of them. It returns ErrLost when another
// attempt has the order; what came is kept all the same, if it still concerns the latest create.
func (j *Journal) Answered(ctx context.Context, c *Claim, a Answer, verdict policy.Verdict) error {
	field, kept := "answer", &c.Answer
	if a.HTTPStatus == 0 {
		field, kept = "no_answer", &c.NoAnswer
	}
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("journal: answered: %w", err)
	}
	*kept = &a
	return j.note(ctx, c, field, string(text), verdict)
}

// Row keeps the row of a query that decided.
func (j *Journal) Row(ctx context.Context, c *Claim, row string) error {
	return j.note(ctx, c, "row", policy.Clip(row), policy.NoVerdict)
}

func (j *Journal) note(ctx context.Context, c *Claim, field, text string, verdict policy.Verdict) error {
	answer, err := j.run(ctx, answeredScript, "answered", []string{j.Keys.Order(c.ID)},
		c.Token, c.Reissues, c.CreatesSent, field, text, verdictNames[verdict])
	switch {
	case err != nil:
		return err
	case answer[0] != "noted" || len(answer) != 3:
		return ErrLost
	}
	if verdict != policy.NoVerdict {
		c.Verdict = verdictNamed(answer[1])
	}
	c.Cancelled = c.Cancelled || answer[2] == "1"
	return nil
}
