package simulator

import "fmt"

// The sample account. It is public and valid only here. A Gateway without merchants in its
// Config has this one.
const (
	SampleAppCode = "5A4D504C450000000000000000000001"
	SampleKey     = "73616D706C652D6B65792D6E6F742D73"
)

// SampleAccounts returns n accounts: the sample account and others like it, with
// app_codes that end in 1 to n in hexadecimal and with the same key.
func SampleAccounts(n int) []Account {
	all := make([]Account, n)
	for i := range all {
		all[i] = Account{AppCode: fmt.Sprintf("%s%08X", SampleAppCode[:24], i+1), Key: SampleKey}
	}
	return all
}
