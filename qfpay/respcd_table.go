package qfpay

// respCdRow describes one result code.
type respCdRow struct {
	code     RespCd
	meaning  string
	class    Class    // of an answer to a create
	standing Standing // of an order whose row in a query has this code
	rule     rule     // may change the class for some answers; or nil
}

// respCdTable lists every code that QFPay documents, in ascending order: those of the status
// page of February 2026, and older ones from the references of 2016 to 2018, which the
// gateway may still send. Comments give the reasons for unclear codes.
//
// Failed is used only where QFPay's text, or a printed sample, says that the order failed.
// Then the gateway never gave out a QR code, so the merchant may create the order again under
// a new order number. If there is any other possibility, the code is Unclear.
var respCdTable = []respCdRow{
	{"0000", "success", Done, Paid, nil},
	{"1100", "system maintenance", Busy, Unclear, nil},
	{"1101", "reversal error", Doubt, Unclear, nil}, // until 2017: the client must reverse, so the outcome is not known
	{"1102", "duplicate request", Doubt, Unclear, nil},
	{"1103", "request format error", Refused, Failed, nil},
	{"1104", "parameter error", Refused, Failed, holdOnFilterError}, // "filter error" in respmsg: the pay type is not enabled (FAQ of 2017)
	{"1105", "device not activated", Hold, Unclear, refusedWithUDID},
	{"1106", "device invalid", Hold, Unclear, refusedWithUDID},
	{"1107", "device not allowed", Hold, Unclear, refusedWithUDID},
	{"1108", "signature error", Hold, Unclear, nil}, // also seen for a wrong mchid
	{"1109", "signature error (list of 2017)", Hold, Unclear, nil},
	{"1111", "external service not available", Doubt, Unclear, nil},
	{"1112", "internal service not available", Doubt, Unclear, nil},
	{"1113", "user does not exist", Hold, Unclear, nil},
	{"1114", "user blocked", Hold, Unclear, nil},
	{"1115", "user has limited access", Hold, Unclear, nil},
	{"1118", "stopped by risk control", Refused, Failed, nil},
	{"1119", "transaction type not allowed", Refused, Failed, nil},
	{"1120", "transaction time not allowed", Refused, Failed, nil},
	{"1121", "card type not allowed", Refused, Failed, nil},
	{"1122", "currency not allowed", Refused, Failed, nil},
	{"1123", "transaction amount not allowed", Refused, Failed, nil},
	{"1124", "invalid transaction", Doubt, Unclear, nil}, // the current text is only about partial refunds
	{"1125", "already refunded", Doubt, Unclear, nil},
	{"1126", "does not match the original transaction", Doubt, Unclear, nil},
	{"1127", "database error", Doubt, Unclear, nil},
	{"1128", "file system error", Doubt, Unclear, nil},
	{"1131", "channel error", Doubt, Unclear, nil},
	{"1133", "user channel information error", Hold, Unclear, nil},
	{"1135", "user configuration error", Hold, Unclear, nil},
	{"1136", "transaction does not exist", Doubt, Unclear, nil},
	{"1140", "account not approved", Hold, Unclear, nil},
	{"1142", "order closed", Doubt, Dead, nil},   // the reference of 2018 shows it for an expired order too
	{"1143", "not paid yet", Doubt, Unpaid, nil}, // "does not exist" in the list of 2017; every sample and page since says unpaid
	{"1144", "processing failed (protocol)", Doubt, Unclear, nil},
	{"1145", "processing", Doubt, Unpaid, nil},
	{"1146", "processing failed (business)", Doubt, Unclear, nil}, // seen as the answer to a close that failed
	{"1147", "WeChat transaction error", NotNow, Failed, nil},
	{"1150", "settlement T0 cannot be cancelled", Doubt, Unclear, nil},
	{"1154", "internal error", Doubt, Unclear, nil},
	{"1155", "refund refused", Doubt, Unclear, nil},
	{"1161", "result unknown, query", Doubt, Unclear, nil},
	{"1170", "channel cannot provide the service", Doubt, Unclear, nil},
	{"1180", "route reset", Doubt, Unclear, nil},
	{"1181", "order expired", Doubt, Dead, nil},
	{"1201", "payer's balance insufficient", Refused, Failed, nil},
	{"1202", "payment code wrong or expired", Refused, Failed, nil},
	{"1203", "merchant account error, check its configuration", Hold, Unclear, nil},
	{"1204", "bank error", NotNow, Failed, nil},              // may be initiated again, says the status page
	{"1205", "failed, try again later", NotNow, Failed, nil}, // printed with a syssn: the number is used up
	{"1212", "payer must use another code", Refused, Failed, nil},
	{"1241", "store does not exist", Hold, Unclear, nil},
	{"1242", "store misconfigured", Hold, Unclear, nil},
	{"1243", "store disabled", Hold, Unclear, nil},
	{"1250", "transaction forbidden", Refused, Failed, nil}, // does not say whether the order or the merchant is meant
	{"1251", "store configuration error", Hold, Unclear, nil},
	{"1252", "system error while making the order", Doubt, Unclear, nil},
	{"1254", "problem being resolved", Doubt, Unclear, nil},
	{"1260", "order already paid", Doubt, Paid, nil},
	{"1261", "order not paid, confirm first", Doubt, Unclear, nil},
	{"1262", "order refunded", Doubt, Paid, nil},
	{"1263", "order cancelled", Doubt, Dead, nil},
	{"1264", "order closed", Doubt, Dead, nil},
	{"1265", "no refunds at this time", Doubt, Unclear, nil},
	{"1266", "amount differs from the order", Doubt, Unclear, nil},
	{"1267", "order data differ", Doubt, Unclear, nil},
	{"1268", "order does not exist", Doubt, Unclear, nil},
	{"1269", "refund above the unsettled amount of the day", Doubt, Unclear, nil},
	{"1270", "no partial refunds in this currency", Doubt, Unclear, nil},
	{"1271", "no partial refund of this transaction", Doubt, Unclear, nil},
	{"1272", "refund above what is left", Doubt, Unclear, nil},
	{"1294", "not compliant, forbidden by the bank", Refused, Failed, nil},
	{"1295", "network slow, wait", Doubt, Unclear, nil},
	{"1296", "slow, try again later or another way", NotNow, Failed, nil}, // "slow" alone would be Unclear; the advice to pay another way shows that the order failed
	{"1297", "bank busy, try again later", NotNow, Failed, nil},           // printed with a syssn; also over-limit amounts and unsupported closings
	{"1298", "slow; if paid, do not repeat", Doubt, Unclear, nil},         // the text itself asks for a query
	{"2001", "organisation does not exist", Hold, Unclear, nil},
	{"2002", "merchant binding failed", Hold, Unclear, nil},
	{"2003", "signature error (list of 2017)", Hold, Unclear, nil},
	{"2004", "payer's balance insufficient", Refused, Failed, nil},
	{"2005", "payment code wrong or expired", Refused, Failed, nil},
	{"2006", "payment code not legal", Refused, Failed, nil},
	{"2007", "payer closed the order", Refused, Failed, nil},
	{"2008", "wrong parameter to the channel", Doubt, Unclear, nil},
	{"2009", "channel could not be reached", Doubt, Unclear, nil},
	{"2010", "unknown error at the channel", Doubt, Unclear, nil},
	{"2011", "serial number repeats", Doubt, Unclear, nil},
	{"2012", "channel certificate misconfigured", Hold, Unclear, nil},
	{"2999", "processing at the channel", Doubt, Unclear, nil},
}
