package dashboards

// Overview answers: do orders become QR codes, how fast, and what holds them up?
func Overview() Dashboard {
	return Dashboard{
		File: "overview.json", UID: "qfpay-worker", Title: "qfpay-worker: Overview",
		Description: "Orders on their way to QR codes: how many, how fast, and what holds them up.",
		Rows:        []Row{overviewNow(), overviewOrders(), overviewBacklog(), overviewResults(), overviewPayments(), overviewRedis()},
	}
}

const (
	perQuota = `max(qfpay_orders_unsettled) / (sum(max by (merchant) (qfpay_limiter_limit{window="minute"})) / 60)`
	perPace  = `max(qfpay_orders_unsettled) / sum(rate(qfpay_orders_settled_total[5m]))`
	success  = `sum(rate(qfpay_orders_settled_total{merchant=~"$merchant",outcome="created"}[5m])) / sum(rate(qfpay_orders_settled_total{merchant=~"$merchant"}[5m]))`
)

func overviewNow() Row {
	return Row{"Now", []Panel{
		{Title: "Orders without a result", Unit: "short", Stat: true, Width: 4, Runbook: "QfpayBacklogGrows",
			Description: "Orders accepted and not settled.",
			Queries:     []Query{{"", `max(qfpay_orders_unsettled)`}}},
		{Title: "Empty in, at full quota", Unit: "s", Stat: true, Width: 4, Runbook: "QfpayBacklogGrows",
			Description: "Time to settle these orders if every merchant uses all of its quota a minute, with one call per order. It takes longer when one merchant of many has most of them.",
			Queries:     []Query{{"", perQuota}}},
		{Title: "Created, last hour", Unit: "percentunit", Stat: true, Width: 4, Runbook: "QfpayBudgetBurnsFast",
			Description: "Share of QR codes among the results. Rejected orders count against it here, though not against the objective.",
			Queries: []Query{{"", `sum(increase(qfpay_orders_settled_total{merchant=~"$merchant",outcome="created"}[1h])) / ` +
				`sum(increase(qfpay_orders_settled_total{merchant=~"$merchant"}[1h]))`}}},
		{Title: "Unresolved, last day", Unit: "short", Stat: true, Width: 4, Alarm: "1", Runbook: "QfpayOrdersUnresolved",
			Description: "QFPay may hold an order whose QR code is lost: a person must look at each.",
			Queries:     []Query{{"", `sum(increase(qfpay_orders_settled_total{merchant=~"$merchant",outcome="unresolved"}[24h]))`}}},
		{Title: "Merchants held", Unit: "short", Stat: true, Width: 3, Alarm: "1", Runbook: "QfpayMerchantHeld",
			Description: "Merchants that QFPay refuses, or a pay type of them. These orders wait.",
			Queries:     []Query{{"", `count(max by (merchant) (qfpay_merchant_held{merchant=~"$merchant"}) == 1) or vector(0)`}}},
		{Title: "Archived tasks", Unit: "short", Stat: true, Width: 3, Alarm: "1", Runbook: "QfpayArchiveNotEmpty",
			Description: "Tasks that asynq gave up. It never should: the policy ends orders.",
			Queries:     []Query{{"", `sum(max by (lane) (qfpay_queue_orders{state="archived"}))`}}},
		{Title: "Workers", Unit: "short", Stat: true, Width: 2, Runbook: "QfpayWorkerAbsent",
			Description: "Processes that were scraped.",
			Queries:     []Query{{"", `count(qfpay_build_info) or vector(0)`}}},
	}}
}

func overviewOrders() Row {
	return Row{"Orders", []Panel{
		{Title: "Orders by outcome", Unit: "ops", Width: 12, Stacked: true, Runbook: "QfpayNothingSettles",
			Description: "Results a second. Created means that the QR code exists, not that it was paid.",
			Queries:     []Query{{"{{outcome}}", `sum by (outcome) (rate(qfpay_orders_settled_total{merchant=~"$merchant"}[$__rate_interval]))`}}},
		{Title: "Time to QR", Unit: "s", Width: 12, Runbook: "QfpayBudgetBurnsFast",
			Description: "From enqueuing to the published QR code. In bulk, this includes the wait for the quota.",
			Queries:     quantiles("qfpay_order_seconds", `outcome="created",lane=~"$lane"`, "lane")},
		{Title: "Success of submission", Unit: "percentunit", Width: 8, Runbook: "QfpayBudgetBurnsFast",
			Description: "Share of QR codes among the results of five minutes.",
			Queries:     []Query{{"created", success}}},
		{Title: "Verdicts", Unit: "ops", Width: 8, Stacked: true, Runbook: "QfpayBudgetBurnsSlowly",
			Description: "Results against the objective: late and doubt use up the error budget; declined and throttled do not count.",
			Queries:     []Query{{"{{lane}} {{verdict}}", `sum by (lane, verdict) (rate(qfpay_orders_judged_total{lane=~"$lane"}[$__rate_interval]))`}}},
		{Title: "Burn rate, one hour", Unit: "short", Width: 8, Warn: "6", Alarm: "14.4", Runbook: "QfpayBudgetBurnsFast",
			Description: "Speed at which the month's error budget is used up: at 1 it lasts the month, at 14.4 the critical alert fires.",
			Queries: []Query{{"{{lane}}", `(sum by (lane) (rate(qfpay_orders_judged_total{lane=~"$lane",verdict=~"late|doubt"}[1h])) / ` +
				`sum by (lane) (rate(qfpay_orders_judged_total{lane=~"$lane",verdict=~"good|late|doubt"}[1h]))) / 0.005`}}},
	}}
}

func overviewBacklog() Row {
	return Row{"Backlog", []Panel{
		{Title: "Backlog", Unit: "short", Width: 12, Runbook: "QfpayBacklogGrows",
			Description: "Orders without a result, and the tasks of asynq. An order that waits for its quota has no task: the dispatcher starts it when it has a slot.",
			Queries: []Query{{"without a result", `max(qfpay_orders_unsettled)`}, {"scheduled for later", `max(qfpay_orders_scheduled)`},
				{"tasks {{lane}} {{state}}", `max by (lane, state) (qfpay_queue_orders{lane=~"$lane"})`}}},
		{Title: "Time until it is empty", Unit: "s", Width: 12, Runbook: "QfpayBacklogGrows",
			Description: "At the pace of the last five minutes, and at the full quota of all merchants. If they are far apart, something other than the quota delays orders, or one merchant has most of them.",
			Queries:     []Query{{"at this pace", perPace}, {"at full quota", perQuota}}},
		{Title: "Age", Unit: "s", Width: 8, Runbook: "QfpayOldestOrderTooOld",
			Description: "The oldest task that no worker has taken, the oldest request that no worker has accepted, and the time since the oldest due order became due.",
			Queries: []Query{{"oldest {{lane}}", `max by (lane) (qfpay_queue_oldest_seconds{lane=~"$lane"})`},
				{"oldest request", `max(qfpay_requests_oldest_seconds)`}, {"due and not claimed", `max(qfpay_due_late_seconds)`}}},
		{Title: "Deferrals by reason", Unit: "ops", Width: 8, Runbook: "QfpayNothingSettles",
			Description: "Deferrals a second, by what the orders wait for.",
			Queries:     []Query{{"{{reason}}", `sum by (reason) (rate(qfpay_order_deferrals_total[$__rate_interval]))`}}},
		{Title: "Requests waiting", Unit: "short", Width: 8, Runbook: "QfpayRequestsNotAccepted",
			Description: "Entries of the request stream that no worker has accepted or refused yet. If it stays above 0, no worker reads the stream, or Redis refuses.",
			Queries:     []Query{{"requests", `max(qfpay_requests_length)`}}},
	}}
}

func overviewResults() Row {
	return Row{"Results", []Panel{
		{Title: "Results unread", Unit: "short", Width: 12, Runbook: "QfpayResultsUnread",
			Description: "Entries that a consumer group has not read or not acknowledged.",
			Queries:     []Query{{"{{group}}", `max by (group) (qfpay_results_unread)`}}},
		{Title: "Oldest unread result", Unit: "s", Width: 6, Warn: "600", Runbook: "QfpayResultsUnread",
			Description: "How long the oldest of them has waited.",
			Queries:     []Query{{"{{group}}", `max by (group) (qfpay_results_oldest_unread_seconds)`}}},
		{Title: "Length of the result stream", Unit: "short", Width: 6, Runbook: "QfpayRequestsNotAccepted",
			Description: "Entries in it, read or not. At WORKER_RESULTS_HIGH_WATER no new order is accepted.",
			Queries:     []Query{{"entries", `max(qfpay_results_length)`}}},
	}}
}

func overviewPayments() Row {
	return Row{"Payments", []Panel{
		{Title: "Time from QR code to paid", Unit: "s", Width: 12, Runbook: "QfpayNotificationsStopped",
			Description: "From the publication of a code until its customer paid, by QFPay's clock: of half of them, and of 95 %.",
			Queries: []Query{{"50 %", `histogram_quantile(0.5, sum by (le) (rate(qfpay_payment_seconds_bucket[$__rate_interval])))`},
				{"95 %", `histogram_quantile(0.95, sum by (le) (rate(qfpay_payment_seconds_bucket[$__rate_interval])))`}}},
		{Title: "Share paid by wallet", Unit: "percentunit", Width: 12, Runbook: "QfpayPaidLate",
			Description: "Of the codes that ended in the last hour, the share that was paid. The others expired or were closed.",
			Queries: []Query{{"{{pay_type}}", `sum by (pay_type) (increase(qfpay_payments_total{event="paid"}[1h])) / ` +
				`sum by (pay_type) (increase(qfpay_payments_total{event=~"paid|expired|closed"}[1h]))`}}},
		{Title: "Open codes", Unit: "short", Width: 12, Runbook: "QfpayCodesOverdue",
			Description: "Published codes that are neither paid nor dead, as far as QFPay has shown. If it only grows, nobody follows them.",
			Queries: []Query{{"{{merchant}}", `max by (merchant) (qfpay_payments_open)`},
				{"{{merchant}}: unpaid long after their life", `max by (merchant) (qfpay_payments_overdue)`}}},
		{Title: "Payments unread", Unit: "short", Width: 12, Runbook: "QfpayPaymentsUnread",
			Description: "Entries of the payment stream that a consumer group has not read or not acknowledged, beside all entries.",
			Queries:     []Query{{"{{group}}", `max by (group) (qfpay_payments_unread)`}, {"all", `max(qfpay_payments_length)`}}},
		{Title: "Oldest unread payment", Unit: "s", Width: 12, Warn: "600", Runbook: "QfpayPaymentsUnread",
			Description: "How long the oldest of them has waited.",
			Queries:     []Query{{"{{group}}", `max by (group) (qfpay_payments_oldest_unread_seconds)`}}},
		{Title: "Notifications", Unit: "ops", Width: 12, Stacked: true, Runbook: "QfpayNotificationsRefused",
			Description: "QFPay's notifications a second, by what became of them. Recorded and known are answered with SUCCESS; QFPay sends the others again.",
			Queries:     []Query{{"{{result}}", `sum by (result) (rate(qfpay_notifications_total[$__rate_interval]))`}}},
	}}
}

func overviewRedis() Row {
	return Row{"Redis and workers", []Panel{
		{Title: "Redis memory", Unit: "bytes", Width: 8, Runbook: "QfpayRedisMemoryHigh",
			Description: "Memory that Redis uses, and its maxmemory; 0 when it has none.",
			Queries:     []Query{{"used", `max(qfpay_redis_memory_used_bytes)`}, {"maxmemory", `max(qfpay_redis_memory_max_bytes)`}}},
		{Title: "Redis: append-only file and evictions", Unit: "short", Width: 8, Runbook: "QfpayRedisAppendOnlyFileBroken",
			Description: "1 and 1 is healthy. An evicted key may have been an order.",
			Queries: []Query{{"append-only file", `min(qfpay_redis_aof_enabled)`}, {"last write went well", `min(qfpay_redis_aof_last_write_ok)`},
				{"keys evicted a second", `max(rate(qfpay_redis_evicted_keys_total[$__rate_interval]))`}}},
		{Title: "Redis errors", Unit: "ops", Width: 8, Runbook: "QfpayRedisUnreachable",
			Description: "Failed operations on Redis a second.",
			Queries:     []Query{{"{{op}}", `sum by (op) (rate(qfpay_redis_errors_total[$__rate_interval]))`}}},
		{Title: "In flight", Unit: "short", Width: 12, Runbook: "QfpayOldestOrderTooOld",
			Description: "Orders in flight in all workers; each process has at most WORKER_CONCURRENCY per lane.",
			Queries:     []Query{{"{{lane}}", `sum by (lane) (qfpay_orders_in_flight{lane=~"$lane"})`}}},
		{Title: "Clock offset", Unit: "s", Width: 12, Warn: "2", Runbook: "QfpayClockOff",
			Description: "Difference between each process's clock and Redis's.",
			Queries:     []Query{{"{{instance}}", `max by (instance) (abs(qfpay_redis_clock_offset_seconds))`}}},
	}}
}
