package main

import (
	"fmt"
	"path/filepath"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/tasks"
	"github.com/qfpay-worker/qfpay-worker/worker"
)

// defaults are the values for entries of a merchants file that omit them.
type defaults struct {
	baseURL              string
	signType             qfpay.SignType
	perSecond, perMinute int
}

// merchants returns the merchants: those of the file, or the one of the variables.
func (c GatewayConfig) merchants(found *checks) []worker.Merchant {
	allowHTTP := found.yes("QFPAY_ALLOW_HTTP", c.AllowHTTP)
	d := defaults{
		signType:  qfpay.SignType(found.choice("QFPAY_SIGN_TYPE", c.SignType, string(qfpay.SHA256), string(qfpay.MD5))),
		perSecond: found.integer("QFPAY_PER_SECOND", c.PerSecond, 0, maxRate),
		perMinute: found.integer("QFPAY_PER_MINUTE", c.PerMinute, 0, maxRate),
	}
	if c.BaseURL != "" {
		u, err := baseURL(c.BaseURL, allowHTTP)
		if err != nil {
			found.failed("QFPAY_BASE_URL", "%v", err)
		}
		d.baseURL = u
	}
	if c.MerchantsFile == "" {
		return []worker.Merchant{c.single(found, d)}
	}
	c.onlyTheFile(found)
	return c.fromFile(found, d, allowHTTP)
}

// single returns the merchant that the variables describe.
func (c GatewayConfig) single(found *checks, d defaults) worker.Merchant {
	if c.BaseURL == "" {
		found.failed("QFPAY_BASE_URL", "required: the address of the gateway, such as https://openapi-hk.qfapi.com")
	}
	switch {
	case c.AppCode == "":
		found.failed("QFPAY_APP_CODE", "required (or QFPAY_MERCHANTS_FILE, for many merchants)")
	case !plainASCII.MatchString(c.AppCode):
		found.failed("QFPAY_APP_CODE", "must be printable ASCII without spaces")
	}
	if c.MchID != "" && !plainASCII.MatchString(c.MchID) {
		found.failed("QFPAY_MCHID", "must be printable ASCII without spaces")
	}
	return worker.Merchant{
		Merchant: qfpay.Merchant{
			Name: tasks.DefaultMerchant, BaseURL: d.baseURL, AppCode: c.AppCode,
			Key: c.key(found), MchID: c.MchID, SignType: d.signType,
		},
		PerSecond: d.perSecond, PerMinute: d.perMinute,
	}
}

// key returns the key of the single merchant, from exactly one of two places.
func (c GatewayConfig) key(found *checks) qfpay.Secret {
	variable := "QFPAY_CLIENT_KEY"
	var key qfpay.Secret
	var err error
	switch {
	case c.ClientKey != "" && c.ClientKeyFile != "":
		err = fmt.Errorf("set together with QFPAY_CLIENT_KEY_FILE: set only one of them")
	case c.ClientKeyFile != "":
		variable = "QFPAY_CLIENT_KEY_FILE"
		key, err = readSecret(c.ClientKeyFile)
		found.secretFile(variable, c.ClientKeyFile)
	case c.ClientKey != "":
		key, err = cleanSecret(string(c.ClientKey))
	default:
		err = fmt.Errorf("required, or QFPAY_CLIENT_KEY_FILE with the name of a file that contains it")
	}
	if err != nil {
		found.failed(variable, "%v", err)
	}
	return key
}

// onlyTheFile reports variables of the single merchant that are set beside a merchants file:
// with both, it would not be clear which of them is in effect.
func (c GatewayConfig) onlyTheFile(found *checks) {
	single := []struct{ variable, value string }{
		{"QFPAY_APP_CODE", c.AppCode},
		{"QFPAY_CLIENT_KEY", string(c.ClientKey)},
		{"QFPAY_CLIENT_KEY_FILE", c.ClientKeyFile},
		{"QFPAY_MCHID", c.MchID},
	}
	for _, s := range single {
		if s.value != "" {
			found.failed(s.variable, "set together with QFPAY_MERCHANTS_FILE; move it into that file")
		}
	}
}

// beside returns a path that a file names, relative to the directory of that file.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
