package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/internal/printable"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/tasks/orderfile"
)

// remarks are what is said of a file once, with a count, however many rows it is about.
type remarks struct {
	name  tasks.GoodsName
	looks orderfile.Encoding // of the rows that were not in the encoding of the file

	kinds     []*remark // in the sequence in which they occurred
	merchants int       // without a worker
}

// remark is one kind of remark.
type remark struct {
	kind  string
	count int
	line  int    // of the first row
	first string // what was said of it
}

func newRemarks(name tasks.GoodsName) *remarks { return &remarks{name: name} }

// misreadKind is the kind of rows that are not in the encoding of the file.
const misreadKind = "encoding"

// add keeps what is to be said of a valid row.
func (r *remarks) add(row orderfile.Row) {
	given := row.Order.GoodsName
	if sent := r.name.Sent(given); sent != given {
		as := fmt.Sprintf("%q is sent as %q", given, sent)
		if sent == "" {
			as = fmt.Sprintf("nothing is sent of %q", given)
		}
		r.count(row, "goods_name is sent in another form (QFPAY_GOODS_NAME="+string(r.name)+")", as)
	}
	for _, w := range row.Order.Warnings() {
		r.count(row, "warning: "+w.Field+" "+w.Rule, w.Value)
	}
}

// mostMerchants bounds how many merchants are remarked by name. A file may have one in each row.
const mostMerchants = 20

// withoutWorker keeps that no running worker has the merchant of a row.
func (r *remarks) withoutWorker(row orderfile.Row) {
	kind := noWorkerHas(row.Order.Merchant)
	if !r.has(kind) {
		if r.merchants++; r.merchants > mostMerchants {
			kind = "no running worker has the merchants of more rows"
		}
	}
	r.count(row, kind, "the orders wait until one has it, or expire")
}

// noWorkerHas is the kind of remarks about a merchant without a worker.
func noWorkerHas(merchant string) string { return "no running worker has merchant " + merchant }

// has reports whether there is a remark of that kind.
func (r *remarks) has(kind string) bool {
	return slices.ContainsFunc(r.kinds, func(k *remark) bool { return k.kind == kind })
}

// misread keeps that a row is not in the encoding of the file.
func (r *remarks) misread(row orderfile.Row) { r.count(row, misreadKind, row.Err.Error()) }

func (r *remarks) count(row orderfile.Row, kind, first string) {
	for _, k := range r.kinds {
		if k.kind == kind {
			k.count++
			return
		}
	}
	r.kinds = append(r.kinds, &remark{kind, 1, row.Line, first})
}

// write says everything.
func (r *remarks) write(w io.Writer) {
	for _, k := range r.kinds {
		if k.kind == misreadKind {
			fmt.Fprintln(w, r.ofEncoding(k))
		} else {
			fmt.Fprintf(w, "%s; rows: %d, the first in line %d: %s\n", k.kind, k.count, k.line, printable.String(k.first))
		}
	}
}

func (r *remarks) ofEncoding(k *remark) string {
	text := fmt.Sprintf("line %d: %s", k.line, k.first)
	if k.count > 1 {
		text += fmt.Sprintf(", nor are %d more rows", k.count-1)
	}
	if !strings.Contains(k.first, strings.ToUpper(string(orderfile.UTF8))) {
		return text + ": --encoding is not that of the file"
	}
	if r.looks == "" { // the file was not read to its end
		return text + ": save the file as CSV UTF-8, or enqueue it again with --encoding"
	}
	return fmt.Sprintf("%s. It looks like %s: save the file as CSV UTF-8, or enqueue it again with --encoding %s", text, r.looks, r.looks)
}
