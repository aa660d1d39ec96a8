package simulator

import (
	"strings"
	"testing"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

func TestTakes_WhatAGatewayTakesOfACreate(t *testing.T) {
	t.Parallel()
	md5 := map[qfpay.PayType][]qfpay.SignType{"800101": {qfpay.MD5}}
	for _, row := range []struct {
		why    string
		takes  Takes
		change []string
		respcd string
		about  string
	}{
		{"the page's names", Takes{}, []string{"goods_name", "奶茶_2"}, "0000", ""},
		{"and no others", Takes{}, []string{"goods_name", "milk tea"}, "1104", "goods_name: "},
		{"letters alone", Takes{GoodsName: NamesOfLetters}, []string{"goods_name", "milk_tea"}, "1104", "goods_name: "},
		{"any name", Takes{GoodsName: NamesOfSale}, []string{"goods_name", "milk tea - 2 (hot) or a longer one"}, "0000", ""},
		{"of 64 bytes", Takes{GoodsName: NamesOfSale}, []string{"goods_name", strings.Repeat("x", 65)}, "1104", "goods_name: "},
		{"128 characters", Takes{}, []string{"out_trade_no", strings.Repeat("A", 128)}, "0000", ""},
		{"not 33", Takes{Number: 32}, []string{"out_trade_no", strings.Repeat("A", 33)}, "1104", "out_trade_no: "},
		{"a notify_url", Takes{}, []string{"notify_url", "https://shop.example/n"}, "0000", ""},
		{"none", Takes{NoNotifyURL: true}, []string{"notify_url", "https://shop.example/n"}, "1104", "notify_url: "},
		{"MD5 for another wallet", Takes{SignTypes: md5}, []string{"pay_type", "800201"}, "0000", ""},
		{"MD5 alone", Takes{SignTypes: md5}, nil, "1108", ""},
	} {
		g := still(Config{Takes: row.takes})
		if r := call(t, g, endpointPayment, order("A1", row.change...)); r.str("respcd") != row.respcd || !strings.HasPrefix(r.str("respmsg"), row.about) {
			t.Errorf("%s: %s", row.why, r.raw)
		}
		if stored := len(g.Orders()) == 1; stored != (row.respcd == "0000") {
			t.Errorf("%s: stored: %t", row.why, stored)
		}
	}
}

func TestTakes_WrongOnesAreNamed(t *testing.T) {
	t.Parallel()
	err := Config{Takes: Takes{GoodsName: "x", Number: 129}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "Takes.GoodsName") || !strings.Contains(err.Error(), "Takes.Number") {
		t.Error(err)
	}
}
