package api

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// Caller is a program that may use the API, and what it may do.
type Caller struct {
	Name      string            // for the log
	Token     [sha256.Size]byte // the hash of its bearer token
	Merchants []string          // for which it may send orders; with "*" among them, every one
	Read      bool              // whether it may read the orders and QR codes of these merchants
}

// OneCaller returns the only caller, who may do everything.
func OneCaller(token qfpay.Secret) []Caller {
	return []Caller{{Name: "default", Token: sha256.Sum256([]byte(token)), Merchants: []string{"*"}, Read: true}}
}

// mayUse reports whether the caller may use a merchant.
func (c *Caller) mayUse(merchant string) bool {
	return slices.Contains(c.Merchants, "*") || slices.Contains(c.Merchants, merchant)
}

// forbiddenError refuses a request of a caller.
type forbiddenError struct{ caller, may, merchant string }

// Error implements error.
func (e *forbiddenError) Error() string {
	return fmt.Sprintf("the token of %s may not %s merchant %q", e.caller, e.may, e.merchant)
}

// mayOrder returns an error if the caller may not send an order for its merchant.
func (c *Caller) mayOrder(o tasks.Order) error {
	if merchant := cmp.Or(o.Merchant, tasks.DefaultMerchant); !c.mayUse(merchant) {
		return &forbiddenError{c.Name, "order for", merchant}
	}
	return nil
}

// mayCancel returns an error if the caller may not cancel orders of a merchant.
func (c *Caller) mayCancel(merchant string) error {
	if !c.mayUse(merchant) {
		return &forbiddenError{c.Name, "cancel orders of", merchant}
	}
	return nil
}

// mayRead returns an error if the caller may not read the orders of a merchant.
func (c *Caller) mayRead(merchant string) error {
	if !c.Read || !c.mayUse(merchant) {
		return &forbiddenError{c.Name, "read orders of", merchant}
	}
	return nil
}

// Callers are those that may use the API now. They may be replaced at any time.
type Callers struct{ list atomic.Pointer[[]Caller] }

// NewCallers returns callers.
func NewCallers(list []Caller) *Callers {
	c := &Callers{}
	c.Set(list)
	return c
}

// Set replaces the callers, for requests that come from now on.
func (c *Callers) Set(list []Caller) { c.list.Store(&list) }

// find returns the caller with the token of an Authorization header, or nil. It compares hashes, in
// constant time, so that neither length nor content of a token shows.
func (c *Callers) find(authorization string) *Caller {
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimLeft(token, " ")
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	sum := sha256.Sum256([]byte(token))
	var found *Caller
	list := *c.list.Load()
	for i := range list {
		one := &list[i]
		if subtle.ConstantTimeCompare(sum[:], one.Token[:]) == 1 {
			found = one
		}
	}
	return found
}
