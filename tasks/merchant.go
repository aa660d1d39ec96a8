package tasks

// ValidMerchant reports whether a merchant may have this name: 1 to 64 letters, digits,
// _ or -. The name is part of Redis keys and of task IDs, and a label of metrics.
func ValidMerchant(name string) bool { return merchantName.MatchString(name) }
