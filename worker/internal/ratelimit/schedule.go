package ratelimit

import (
	"math"
	"slices"
	"time"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/timing"
)

// Log is what a limiter has in Redis of the calls of an app_code, as of now. All times are in µs on
// Redis's clock, and zero for what there is not.
type Log struct {
	Now         float64
	Calls       []float64 // of the last minute, reserved ones included, ascending
	Interactive []float64 // those of them that are interactive
	Bulk        float64   // the latest slot of bulk
	Doubt       float64   // when the calls about orders in doubt so far are paid for
	Pause       float64   // no call before
	Factor      float64   // the rate factor, per mille, as of FactorAt; 0: it is whole
	FactorAt    float64
}

// Past is the log without the slots that are ahead, for who counts their orders among those that wait.
func (l Log) Past() Log {
	past := func(calls []float64) []float64 {
		n, _ := slices.BinarySearch(calls, l.Now)
		return calls[:n]
	}
	l.Calls, l.Interactive, l.Bulk = past(l.Calls), past(l.Interactive), min(l.Bulk, l.Now)
	return l
}

// Schedule says when calls leave if they are all that waits for a slot and each order takes one: it
// is what lua/dispatch.lua does, ahead of time. Nothing is reserved.
type Schedule struct {
	limits Limits
	log    Log
	began  float64
	last   float64 // the latest slot
	left   int     // calls that are still computed one by one
}

// computed is how many calls are computed one by one: some minutes of any usual quota. Those behind
// them go evenly, at the rate of the limits.
const computed = 5000

// The limiter's constants in µs. The windows are as long as the limiter counts them.
var (
	second   = us(time.Second + timing.Guard)
	minute   = us(time.Minute + timing.Guard)
	spacing  = us(timing.MinSpacing)
	interval = us(timing.DispatchInterval)
)

func us(d time.Duration) float64 { return float64(d.Microseconds()) }

// NewSchedule begins behind the calls of a log. The zero Log is that of an app_code without calls.
func NewSchedule(l Limits, log Log) *Schedule {
	if log.Now == 0 {
		log.Now = minute
	}
	log.Calls, log.Interactive = slices.Clone(log.Calls), slices.Clone(log.Interactive)
	return &Schedule{limits: l, log: log, began: log.Now, last: log.Now, left: computed}
}

// Take schedules n more calls of a class, and returns how long it is until the last of them may leave; without
// any, until the latest so far. A class must not be more urgent than the one before.
func (s *Schedule) Take(c Class, n int) time.Duration {
	if s.limits.PerSecond == 0 && s.limits.PerMinute == 0 {
		return 0
	}
	for ; n > 0 && s.left > 0; n, s.left = n-1, s.left-1 {
		s.last = math.RoundToEven(s.next(c))
		s.reserve(c, s.last)
	}
	s.last += float64(n) * s.each()
	return time.Duration((s.last - s.began) * float64(time.Microsecond))
}

// each is how long one of many calls takes.
func (s *Schedule) each() float64 {
	each := spacing
	if s.limits.PerSecond > 0 {
		each = max(each, second/float64(s.limits.PerSecond))
	}
	if s.limits.PerMinute > 0 {
		each = max(each, minute/float64(s.limits.PerMinute))
	}
	return each
}

// next moves the clock on until a dispatcher gives a slot, and returns that.
func (s *Schedule) next(c Class) float64 {
	for {
		ahead, soonest := us(timing.DispatchAhead), interval
		if c == Bulk && !s.uncontended() {
			ahead, soonest = us(timing.BulkReserveAhead), 0
		}
		at := s.earliest(c)
		if at-s.log.Now <= ahead {
			return at
		}
		look := max(at-ahead, s.log.Now+soonest)
		s.log.Now = max(math.RoundToEven(look/1000)*1000, s.log.Now+1000) // dispatchers look at whole ms
	}
}

// The rest is lua/limits.lua, function by function.

func (s *Schedule) factor() float64 {
	if s.log.Factor == 0 {
		return 1000
	}
	return min(1000, s.log.Factor+max(0, s.log.Now-s.log.FactorAt)*150/minute)
}

func (s *Schedule) limit(n int) int {
	if n == 0 {
		return 0
	}
	return max(1, int(float64(n)*s.factor()/1000))
}

// interactive are the interactive calls within the minute.
func (s *Schedule) interactive() []float64 {
	n, _ := slices.BinarySearch(s.log.Interactive, s.log.Now-minute)
	return s.log.Interactive[n:]
}

func (s *Schedule) uncontended() bool { return s.factor() == 1000 && len(s.interactive()) == 0 }

func (s *Schedule) headroom() int {
	if s.uncontended() {
		return 0
	}
	return min(3, s.limit(s.limits.PerMinute)/20)
}

func (s *Schedule) interactiveRate() float64 {
	calls := s.interactive()
	if len(calls) == 0 {
		return 0
	}
	return 1.2 * float64(len(calls)) / max(s.log.Now-calls[0], minute/12)
}

// doubtRate is the rate of calls about orders in doubt to expect. None of them is scheduled.
func (s *Schedule) doubtRate() float64 {
	if s.log.Doubt <= s.log.Now {
		return 0
	}
	return float64(s.limit(s.limits.PerMinute)) / 2 / minute
}

func (s *Schedule) paced() float64 {
	if s.limits.PerMinute == 0 || s.log.Bulk == 0 {
		return 0
	}
	perMinute := s.limit(s.limits.PerMinute)
	most := perMinute - s.headroom()
	free := func(at float64) float64 { return float64(most - len(s.after(math.RoundToEven(at-minute)))) }
	if s.uncontended() && s.doubtRate() == 0 && free(s.log.Now) > float64(perMinute)/5 {
		return 0
	}
	rate := math.Inf(1)
	for part := 1.0; part <= 8; part++ {
		ahead := minute * part / 8
		rate = min(rate, free(s.log.Now+ahead)/ahead)
	}
	if rate <= 0 {
		return 0
	}
	return s.log.Bulk + 1/(1.1*max(rate-s.interactiveRate()-s.doubtRate(), rate/20))
}

func (s *Schedule) roomForDoubt() float64 {
	perMinute := s.limit(s.limits.PerMinute)
	if perMinute == 0 {
		return 0
	}
	old, _ := slices.BinarySearch(s.log.Calls, s.log.Now-minute)
	calls := s.log.Calls[old:]
	free, each := perMinute-len(calls), max(minute/30, 5*minute/float64(perMinute))
	at := 0.0
	for i, call := range calls[max(0, -free):] {
		if i > int(minute/each) {
			break
		}
		at = max(at, call+minute-each*float64(max(0, free)+i))
	}
	return at
}

// after returns the calls after a moment.
func (s *Schedule) after(at float64) []float64 {
	n, _ := slices.BinarySearch(s.log.Calls, math.Nextafter(at, math.Inf(1)))
	return s.log.Calls[n:]
}

func (s *Schedule) earliest(c Class) float64 {
	at := max(s.log.Now, s.log.Pause, s.roomForDoubt())
	behind := func(n int, window float64) {
		if nth := len(s.log.Calls) - n; nth >= 0 {
			at = max(at, s.log.Calls[nth]+window)
		}
	}
	if s.limits.PerSecond > 0 {
		behind(s.limit(s.limits.PerSecond), second)
	}
	most := s.limit(s.limits.PerMinute)
	if c == Bulk {
		most -= s.headroom()
		at = max(at, s.log.Bulk+spacing, s.paced())
	}
	if s.limits.PerMinute > 0 {
		behind(max(1, most), minute)
	}
	for {
		near := s.after(math.RoundToEven(at - spacing))
		if len(near) == 0 || near[0] >= math.RoundToEven(at+spacing) {
			return at
		}
		at = near[0] + spacing
	}
}

func (s *Schedule) reserve(c Class, at float64) {
	log := func(calls []float64) []float64 {
		n, _ := slices.BinarySearch(calls, at)
		return slices.Insert(calls, n, at)
	}
	s.log.Calls = log(s.log.Calls)
	if c == Interactive {
		s.log.Interactive = log(s.log.Interactive)
	} else {
		s.log.Bulk = at
	}
}
