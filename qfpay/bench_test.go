package qfpay

import "testing"

func BenchmarkSign(b *testing.B) {
	p := testOrder().params()
	b.ReportAllocs()
	for b.Loop() {
		SHA256.Sign(p, testKey)
	}
}

func BenchmarkForm(b *testing.B) {
	p := testOrder().params()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.form()
	}
}

func BenchmarkReadAnswer(b *testing.B) {
	body := []byte(createdBody())
	b.ReportAllocs()
	for b.Loop() {
		r, a, err := fuzzed(body)
		if err == nil {
			_, err = readPayment(r, testOrder(), a)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	o := testOrder()
	b.ReportAllocs()
	for b.Loop() {
		if err := o.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
