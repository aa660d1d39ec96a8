package dashboards

// Merchant answers: is a merchant at its quota, what does QFPay answer it, and is it
// the gateway?
func Merchant() Dashboard {
	return Dashboard{
		File: "merchant-gateway.json", UID: "qfpay-worker-merchant", Title: "qfpay-worker: Merchant & gateway",
		Description: "What QFPay allows a merchant, answers it, and refuses it.",
		Rows:        []Row{merchantQuota(), merchantGateway(), merchantTrouble()},
	}
}

func merchantQuota() Row {
	return Row{"Quota", []Panel{
		{Title: "Quota in use", Unit: "percentunit", Width: 8, Runbook: "QfpayBacklogGrows",
			Description: "Share of the quota in use by window, as of the limiter's latest answer. At 1, orders wait in their queue, and more workers do not help.",
			Queries:     []Query{{"{{merchant}} {{window}}", `max by (merchant, window) (qfpay_limiter_used_ratio{merchant=~"$merchant"})`}}},
		{Title: "Calls a minute, and the limit", Unit: "short", Width: 8, Runbook: "QfpayBacklogGrows",
			Description: "Calls of all processes to all endpoints, and the limit from the configuration. Merchants beyond the hundredth count together as other, without a limit.",
			Queries: []Query{{"{{merchant}}", `sum by (merchant) (rate(qfpay_gateway_requests_total{merchant=~"$merchant"}[1m])) * 60`},
				{"limit {{merchant}}", `max by (merchant) (qfpay_limiter_limit{merchant=~"$merchant",window="minute"})`}}},
		{Title: "Limiter wait", Unit: "s", Width: 8, Runbook: "QfpayBacklogGrows",
			Description: "Time from a call's request to the slot that the limiter offers. A call waits up to a second for its slot; an order whose slot is further off is deferred and queued.",
			Queries:     quantiles("qfpay_limiter_wait_seconds", `merchant=~"$merchant"`, "merchant")},
	}}
}

func merchantGateway() Row {
	return Row{"Gateway", []Panel{
		{Title: "Results of calls", Unit: "ops", Width: 12, Stacked: true, Runbook: "QfpayGatewayFails",
			Description: "Calls a second by respcd, or by the failure of a call without one.",
			Queries:     []Query{{"{{endpoint}} {{result}}", `sum by (endpoint, result) (rate(qfpay_gateway_requests_total{merchant=~"$merchant"}[$__rate_interval]))`}}},
		{Title: "Gateway latency", Unit: "s", Width: 12, Runbook: "QfpayGatewayFails",
			Description: "Duration of calls by endpoint, without the wait for a permit. QFPAY_TIMEOUT bounds it.",
			Queries:     quantiles("qfpay_gateway_request_seconds", "", "endpoint")},
		{Title: "respcd of creates", Unit: "ops", Width: 12, Runbook: "QfpayMerchantHeld",
			Description: "QFPay's answers to creates, without 0000, which brings the QR code.",
			Queries:     []Query{{"{{result}}", `sum by (result) (rate(qfpay_gateway_requests_total{merchant=~"$merchant",endpoint="payment",result!="0000"}[$__rate_interval]))`}}},
		{Title: "Calls for one order", Unit: "short", Width: 12, Runbook: "QfpayGatewayFails",
			Description: "Calls per result. 1 is the minimum; queries, closes and throttled creates come on top.",
			Queries: []Query{{"calls", `sum(rate(qfpay_gateway_requests_total{merchant=~"$merchant"}[5m])) / ` +
				`sum(rate(qfpay_orders_settled_total{merchant=~"$merchant"}[5m]))`}}},
	}}
}

func merchantTrouble() Row {
	return Row{"Trouble", []Panel{
		{Title: "Held", Unit: "short", Width: 12, Alarm: "1", Runbook: "QfpayMerchantHeld",
			Description: "1 while QFPay refuses the merchant, or a pay type of it; reason is the respcd, or http. 1 as well while a person has paused it.",
			Queries: []Query{{"{{merchant}} {{pay_type}} {{reason}}", `max by (merchant, pay_type, reason) (qfpay_merchant_held{merchant=~"$merchant"})`},
				{"{{merchant}} {{pay_type}} paused by hand", `max by (merchant, pay_type) (qfpay_merchant_paused{merchant=~"$merchant"})`}}},
		{Title: "HTTP 429", Unit: "short", Width: 12, Alarm: "1", Runbook: "QfpayGatewayThrottles",
			Description: "In ten minutes. There should be none: the worker stays below the limits it knows.",
			Queries:     []Query{{"{{merchant}}", `sum by (merchant) (increase(qfpay_gateway_requests_total{merchant=~"$merchant",result="http_429"}[10m]))`}}},
		{Title: "In doubt", Unit: "ops", Width: 12, Runbook: "QfpayOrdersUnresolved",
			Description: "Deferrals a second of orders whose state at QFPay was not known, and orders that ended unresolved.",
			Queries: []Query{{"deferred in doubt", `sum(rate(qfpay_order_deferrals_total{reason="doubt"}[$__rate_interval]))`},
				{"ended unresolved", `sum(rate(qfpay_orders_settled_total{merchant=~"$merchant",outcome="unresolved"}[$__rate_interval]))`}}},
		{Title: "Cancelled after publication", Unit: "short", Width: 12, Runbook: "QfpayClosingsStuck",
			Description: "Orders whose published QR code is to be closed at QFPay, what became of others in an hour, and how long the first of them has waited for a worker, in seconds.",
			Queries: []Query{{"to be closed", `max(qfpay_orders_closing)`}, {"{{result}}", `sum by (result) (increase(qfpay_closings_total[1h]))`},
				{"waits for a worker", `max(qfpay_closing_late_seconds)`}}},
		{Title: "Closed and issued again", Unit: "ops", Width: 12, Runbook: "QfpayOrdersUnresolved",
			Description: "Orders whose QR code was lost: the calls that closed them, and the reissues under new numbers.",
			Queries: []Query{{"closes", `sum(rate(qfpay_gateway_requests_total{merchant=~"$merchant",endpoint=~"close|reversal"}[$__rate_interval]))`},
				{"reissued {{merchant}}", `sum by (merchant) (rate(qfpay_orders_reissued_total{merchant=~"$merchant"}[$__rate_interval]))`}}},
	}}
}
