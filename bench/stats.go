package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// number is the type of a figure.
type number interface{ ~int | ~int64 | ~float64 }

// quantile returns the value below which the share q of all values lies.
func quantile[T number](all []T, q float64) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// median returns the middle value, or the mean of the two middle values.
func median[T number](all []T) T {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// ratios divides pair by pair, because a disturbance of the machine affects both of a pair.
func ratios[T number](above, below []T) []float64 {
	all := make([]float64, min(len(above), len(below)))
	for i := range all {
		if below[i] != 0 {
			all[i] = float64(above[i]) / float64(below[i])
		}
	}
	return all
}

// spread formats the minimum and the maximum.
func spread[T cmp.Ordered](all []T, format func(T) string) string {
	return format(slices.Min(all)) + "…" + format(slices.Max(all))
}

// ms writes a duration in milliseconds.
func ms(d time.Duration) string {
	switch v := float64(d) / 1e6; {
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	case v >= 10:
		return fmt.Sprintf("%.1f ms", v)
	default:
		return fmt.Sprintf("%.2f ms", v)
	}
}

// us writes a duration in microseconds.
func us(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }

// times writes a ratio.
func times(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f×", x)
	}
	return fmt.Sprintf("%.2f×", x)
}

// count writes a whole number in groups of three.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
