package simulator

import (
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// Call is one request that arrived, and its result.
type Call struct {
	Time       time.Time     `json:"time"` // of arrival
	AppCode    string        `json:"app_code"`
	Endpoint   string        `json:"endpoint"` // empty for a path that QFPay does not have
	OutTradeNo string        `json:"out_trade_no,omitempty"`
	PayType    qfpay.PayType `json:"pay_type,omitempty"` // of the order, if it is one that is known
	DigestOK   bool          `json:"digest_ok"`
	Done       bool          `json:"done"`   // processed, with any answer
	Stored     bool          `json:"stored"` // an order was stored
	HTTPStatus int           `json:"http_status,omitempty"`
	RespCd     string        `json:"respcd,omitempty"` // of the answer, even if the answer was lost
	Fault      Fault         `json:"fault,omitempty"`
}
