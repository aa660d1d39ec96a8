package probe

import (
	"fmt"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Setting is a setting of qfpay-worker that findings decide, or leave open.
type Setting struct {
	Variable string
	Value    string // empty: the findings do not decide it
	Why      string
}

// Settings returns the settings that the findings decide.
func Settings(all []Finding) []Setting {
	return []Setting{signType(all), uniqueNumbers(all), verifyResponses(all), lostResponse(all), goodsName(all)}
}

// byAnswer groups the pay types by their answer to a question.
func byAnswer(all []Finding, q Question) map[Answer][]string {
	groups := map[Answer][]string{}
	for _, f := range all {
		if f.Question == q {
			groups[f.Answer] = append(groups[f.Answer], string(f.PayType))
		}
	}
	return groups
}

// signType: one hash for all pay types of a merchant. SHA256 if each takes it, as far as is known.
func signType(all []Finding) Setting {
	s := Setting{Variable: "QFPAY_SIGN_TYPE"}
	sha, md5 := byAnswer(all, OnSHA256), byAnswer(all, OnMD5)
	switch {
	case len(sha[IsTaken]) > 0 && len(sha[IsRefused]) == 0:
		s.Value, s.Why = string(qfpay.SHA256), "creates with SHA256 are taken for "+join(sha[IsTaken])
	case len(md5[IsTaken]) > 0 && len(md5[IsRefused]) == 0:
		s.Value, s.Why = string(qfpay.MD5), "creates with SHA256 are refused for "+join(sha[IsRefused])+"; with MD5 they are taken for "+join(md5[IsTaken])
	case len(sha[IsRefused]) > 0 && len(md5[IsRefused]) > 0:
		s.Why = fmt.Sprintf("no hash is taken for all: SHA256 is refused for %s, MD5 for %s. A merchants file may have the app_code twice, with one sign_type each", join(sha[IsRefused]), join(md5[IsRefused]))
	default:
		s.Why = "not answered"
	}
	return s
}

// uniqueNumbers: one pay type that takes a repeated number for a second order is enough to trust
// none.
func uniqueNumbers(all []Finding) Setting {
	s := Setting{Variable: "QFPAY_UNIQUE_NUMBERS"}
	found := byAnswer(all, OnRepeat)
	var trusted []string
	for _, a := range []Answer{IsRefused, SameOrder, SameOrderNewCode} {
		trusted = append(trusted, found[a]...)
	}
	switch {
	case len(found[TwoOrders]) > 0:
		s.Value, s.Why = "false", "a repeated out_trade_no makes a second order for "+join(found[TwoOrders])
	case len(trusted) > 0:
		s.Value, s.Why = "true", "a repeated out_trade_no makes no second order for "+join(trusted)
		if open := found[NotAnswered]; len(open) > 0 {
			s.Why += "; not answered for " + join(open)
		}
	default:
		s.Why = "not answered"
	}
	return s
}

// verifyResponses: strict only if every answer of every kind was signed right.
func verifyResponses(all []Finding) Setting {
	s := Setting{Variable: "QFPAY_VERIFY_RESPONSES"}
	for _, f := range all {
		if f.Question != OnSignature || !f.Known() {
			continue
		}
		s.Why = f.Evidence
		switch f.Answer {
		case IsRight:
			s.Value = string(qfpay.VerifyStrict)
			s.Why += ". require would also refuse an unsigned answer just after the start"
		case IsAbsent, IsMixed:
			s.Value = string(qfpay.VerifyWarn)
			s.Why += ". With strict, unsigned answers would count as none"
		default:
			s.Value = string(qfpay.VerifyWarn)
			s.Why += ". The key may be wrong, or the scheme is not known"
		}
		return s
	}
	s.Why = "not answered"
	return s
}

// lostResponse: auto is right whatever closes an order, since a query decides; what differs is how
// long a lost QR code takes.
func lostResponse(all []Finding) Setting {
	s := Setting{Variable: "QFPAY_LOST_RESPONSE"}
	var closes, waits, why []string
	for _, p := range qfpay.PayTypes() {
		switch works, known := workerCloses(all, p); {
		case works:
			closes = append(closes, string(p))
		case known:
			waits = append(waits, string(p))
		}
	}
	if len(closes) > 0 {
		why = append(why, "an order whose QR code was lost is closed and issued again for "+join(closes))
	}
	if len(waits) > 0 {
		why = append(why, "for "+join(waits)+" QFPay has not closed such an order, so it is issued again only when its code has run out")
	}
	if why == nil {
		s.Why = "not answered"
		return s
	}
	s.Value, s.Why = "auto", strings.Join(why, "; ")
	return s
}

// workerCloses reports whether a way that the worker uses has closed an order, and whether any was
// tried: reversal for Alipay, both for WeChat.
func workerCloses(all []Finding, p qfpay.PayType) (works, known bool) {
	for _, f := range all {
		used := f.Question == OnReversal || f.Question == OnClose && p == qfpay.WeChat
		if f.PayType == p && p.Closable() && used {
			works = works || f.Answer == Works || f.Answer == WorksLater
			known = known || f.Known()
		}
	}
	return works, known
}

// goodsName: clean sends letters, digits, _ and Chinese characters. The probe has not tried enough
// to say that any text is taken.
func goodsName(all []Finding) Setting {
	s := Setting{Variable: "QFPAY_GOODS_NAME"}
	mark := byAnswer(all, OnUnderscore)
	switch {
	case len(mark[IsRefused]) > 0:
		s.Value, s.Why = "clean", "but _ is refused for "+join(mark[IsRefused])+": leave it out of names"
	case len(mark[IsTaken])+len(mark[IsChanged]) > 0:
		s.Value, s.Why = "clean", "_ is taken"
		space, hyphen := byAnswer(all, OnSpace), byAnswer(all, OnHyphen)
		if len(space[IsTaken]) > 0 && len(hyphen[IsTaken]) > 0 && len(space[IsRefused])+len(hyphen[IsRefused]) == 0 {
			s.Why += ", and so are spaces and -, which asis would send. Other characters were not tried"
		}
	default:
		s.Why = "not answered"
	}
	return s
}

func join(payTypes []string) string { return strings.Join(payTypes, ", ") }
