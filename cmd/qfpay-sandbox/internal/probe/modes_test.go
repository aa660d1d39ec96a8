package probe

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
	"github.com/qfpay-worker/qfpay-worker/qfpay/simulator"
)

// more asks for random combinations of the modes, beside those in which each value of a mode meets
// each value of every other mode.
var more = flag.Int("combinations", 0, "try this many random combinations of the simulator's modes, too")

// value is one value of a mode: how the simulator gets it, and the answers that are right then.
type value struct {
	name   string
	set    func(*simulator.Config)
	answer map[Question]Answer // of both pay types
}

var both = []qfpay.PayType{qfpay.WeChat, qfpay.AlipayOverseas}

func takesHash(t ...qfpay.SignType) func(*simulator.Config) {
	return func(c *simulator.Config) {
		c.Takes.SignTypes = map[qfpay.PayType][]qfpay.SignType{}
		for _, p := range both {
			c.Takes.SignTypes[p] = t
		}
	}
}

func duplicate(d simulator.DuplicateAnswer, a Answer) value {
	return value{"repeated: " + string(d), func(c *simulator.Config) { c.Duplicate = d }, map[Question]Answer{OnRepeat: a}}
}

func closes(ways ...string) func(*simulator.Config) {
	return func(c *simulator.Config) {
		c.Closing = map[qfpay.PayType][]string{qfpay.WeChat: ways, qfpay.AlipayOverseas: ways}
	}
}

func names(g simulator.GoodsNames, space, underscore, hyphen Answer) value {
	return value{"names: " + string(g), func(c *simulator.Config) { c.Takes.GoodsName = g },
		map[Question]Answer{OnSpace: space, OnUnderscore: underscore, OnHyphen: hyphen}}
}

func signed(s simulator.SignResponses, a Answer) value {
	return value{"answers: " + string(s), func(c *simulator.Config) { c.SignResponses = s }, map[Question]Answer{OnSignature: a}}
}

func visible(d time.Duration, a Answer) value {
	return value{"shown after " + d.String(), func(c *simulator.Config) { c.Visibility = d }, map[Question]Answer{OnLag: a}}
}

// modes are all modes of the simulator that a probe can tell apart, without faults.
var modes = [][]value{
	{
		{"both hashes", takesHash(qfpay.SHA256, qfpay.MD5), map[Question]Answer{OnSHA256: IsTaken, OnMD5: IsTaken}},
		{"MD5 alone", takesHash(qfpay.MD5), map[Question]Answer{OnSHA256: IsRefused, OnMD5: IsTaken}},
		{"SHA256 alone", takesHash(qfpay.SHA256), map[Question]Answer{OnSHA256: IsTaken, OnMD5: IsRefused}},
	},
	{
		duplicate(simulator.Duplicate1102, IsRefused), duplicate(simulator.Duplicate2011, IsRefused),
		duplicate(simulator.Duplicate1251, IsRefused), duplicate(simulator.DuplicateState, IsRefused),
		duplicate(simulator.DuplicateReissue, SameOrder), duplicate(simulator.DuplicateNone, TwoOrders),
		duplicate("1251:订单号重复", IsRefused), duplicate("1104:out_trade_no already exists", IsRefused), duplicate("9999:no", IsRefused),
	},
	{
		{"both ways close", closes("close", "reversal"), map[Question]Answer{OnClose: Works, OnReversal: Works}},
		{"close alone", closes("close"), map[Question]Answer{OnClose: Works, OnReversal: IsRefused}},
		{"reversal alone", closes("reversal"), map[Question]Answer{OnClose: IsRefused, OnReversal: Works}},
		{"no way", closes(), map[Question]Answer{OnClose: IsRefused, OnReversal: IsRefused}},
		{"no code that is not scanned", func(c *simulator.Config) {
			closes("close", "reversal")(c)
			c.Faults = simulator.Faults{"close.unscanned": 1, "reversal.unscanned": 1}
		}, map[Question]Answer{OnClose: IsRefused, OnReversal: IsRefused}},
		{"answers that close nothing", func(c *simulator.Config) {
			closes("close", "reversal")(c)
			c.Faults = simulator.Faults{"close.idle": 1, "reversal.idle": 1}
		}, map[Question]Answer{OnClose: HasNoEffect, OnReversal: HasNoEffect}},
		{"no young order of WeChat by close", func(c *simulator.Config) {
			closes("close", "reversal")(c)
			c.Faults = simulator.Faults{"close.young": 1}
		}, map[Question]Answer{OnClose: WorksLater, OnReversal: Works}},
		{"no young order of WeChat", func(c *simulator.Config) {
			closes("close", "reversal")(c)
			c.Faults = simulator.Faults{"close.young": 1, "reversal.young": 1}
		}, map[Question]Answer{OnClose: WorksLater, OnReversal: WorksLater}},
	},
	{names(simulator.NamesOfPage, IsRefused, IsTaken, IsRefused), names(simulator.NamesOfLetters, IsRefused, IsRefused, IsRefused), names(simulator.NamesOfSale, IsTaken, IsTaken, IsTaken)},
	{
		{"long numbers", func(*simulator.Config) {}, map[Question]Answer{OnLong: IsTaken}},
		{"40 characters", func(c *simulator.Config) { c.Takes.Number = 40 }, map[Question]Answer{OnLong: IsRefused}},
	},
	{
		signed(simulator.SignBody, IsRight), signed(simulator.SignBodySHA256, IsRight), signed(simulator.SignSortedData, IsMixed),
		signed(simulator.SignWrong, IsWrong), signed(simulator.SignNone, IsAbsent),
	},
	{visible(0, AtOnce), visible(3*time.Second, Later), visible(50*time.Second, NotInTime)},
	{
		{"notify_url honoured", func(c *simulator.Config) { c.Notify.FromOrder = true }, map[Question]Answer{OnURL: IsTaken}},
		{"notify_url ignored", func(*simulator.Config) {}, map[Question]Answer{OnURL: IsTaken}},
		{"notify_url refused", func(c *simulator.Config) { c.Takes.NoNotifyURL = true }, map[Question]Answer{OnURL: IsRefused}},
	},
}

// combination is the index of a value of each mode.
type combination []int

// combinations returns combinations in which each two values of two modes meet, and as many random
// ones as were asked for.
func combinations(t *testing.T) (chosen []combination) {
	random := rand.New(rand.NewPCG(1, 1))
	met := map[[4]int]bool{}
	fresh := func(c combination, m, v int) (n int) { // pairs of a value with those chosen that have not met
		for other, chosen := range c {
			if chosen >= 0 && other != m && !met[pairOf(m, v, other, chosen)] {
				n++
			}
		}
		return n
	}
	all := 1
	for m := range modes {
		all *= len(modes[m])
		for v := range modes[m] {
			for other := range m {
				for w := range modes[other] {
					if met[pairOf(m, v, other, w)] {
						continue
					}
					c := slices.Repeat(combination{-1}, len(modes))
					c[m], c[other] = v, w
					for free := range c {
						if c[free] < 0 {
							order := random.Perm(len(modes[free]))
							c[free] = slices.MaxFunc(order, func(a, b int) int { return fresh(c, free, a) - fresh(c, free, b) })
						}
					}
					for a := range c {
						for b := range a {
							met[pairOf(a, c[a], b, c[b])] = true
						}
					}
					chosen = append(chosen, c)
				}
			}
		}
	}
	for range *more {
		var c combination
		for _, m := range modes {
			c = append(c, random.IntN(len(m)))
		}
		chosen = append(chosen, c)
	}
	t.Logf("%d of %d combinations", len(chosen), all)
	return chosen
}

func pairOf(m, v, other, w int) [4]int {
	if m < other {
		m, v, other, w = other, w, m, v
	}
	return [4]int{m, v, other, w}
}

// gatewayOf returns the name of a combination, its configuration, and the right answers.
func (c combination) gatewayOf() (name string, config simulator.Config, right map[Question]Answer) {
	right = map[Question]Answer{OnRow: IsShown, OnURLUsed: NotAnswered}
	for m, i := range c {
		v := modes[m][i]
		name += v.name + ", "
		v.set(&config)
		for q, a := range v.answer {
			right[q] = a
		}
	}
	return name, config, right
}

// Whatever the gateway is like, it is found out, and nothing else is. A first run may leave open what
// takes longer, and must not be wrong; a second one, when orders are older, knows all.
func TestProbe_FindsOutEveryModeOfTheGateway(t *testing.T) {
	t.Parallel()
	for i, c := range combinations(t) {
		payType := both[i%2]
		name, config, right := c.gatewayOf()
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(240 * time.Hour) // into a month
			g := simulator.New(config)
			p := proberOf(g, payType)
			if err := p.Run(t.Context()); err != nil {
				t.Fatalf("%s%v", name, err)
			}
			check(t, name+"first run, ", answers(Findings(p.Journal.Observations(), p.PayTypes), payType), right, config, true)
			time.Sleep(5*time.Minute + 30*time.Second)
			if err := p.Run(t.Context()); err != nil {
				t.Fatalf("%s%v", name, err)
			}
			check(t, name, answers(Findings(p.Journal.Observations(), p.PayTypes), payType), right, config, false)
			checkOrders(t, name, g, right)
		})
		if t.Failed() {
			return
		}
	}
}

// check compares what was found with what is right.
func check(t *testing.T, name string, found map[Question]Finding, right map[Question]Answer, c simulator.Config, first bool) {
	t.Helper()
	for q, want := range right {
		f := found[q]
		if q == OnClose || q == OnReversal {
			if f.PayType != qfpay.WeChat && want == WorksLater {
				want = Works
			}
			if first && (want == IsRefused || want == WorksLater) {
				want = RefusedYoung
			}
		}
		slow := c.Visibility > 30*time.Second
		if q == OnLag && f.Known() && (f.Between[0] > c.Visibility || f.Answer == Later && f.Between[1] < c.Visibility) {
			t.Errorf("%s%s %s: shown after %s, found %s", name, f.PayType, q, c.Visibility, f.Evidence)
		}
		if f.Answer != want && !(slow && (first && !f.Known() || q == OnLag && f.Answer == Later)) {
			t.Errorf("%s%s %s: %s (%s), want %s", name, f.PayType, q, f.Answer, f.Evidence, want)
		}
	}
}

// checkOrders checks that the probe has made few orders, and closed all that could be closed.
func checkOrders(t *testing.T, name string, g *simulator.Gateway, right map[Question]Answer) {
	t.Helper()
	live := 0
	for _, o := range g.Orders() {
		if o.State == simulator.Created {
			live++
		}
		if o.State != simulator.Created && o.State != simulator.Closed && o.State != simulator.Expired {
			t.Errorf("%s%s is %s", name, o.OutTradeNo, o.State)
		}
	}
	if n := len(g.Orders()); n > 11 {
		t.Errorf("%s%d orders", name, n)
	}
	if closable := opens(right[OnClose]) || opens(right[OnReversal]); closable && live > 0 && right[OnRepeat] != TwoOrders {
		t.Errorf("%s%d orders stand", name, live)
	}
	if peak := g.Peak(simulator.SampleAppCode, time.Minute); peak > 150 {
		t.Errorf("%s%d calls in a minute", name, peak)
	}
}

// opens reports whether an answer means that orders can be closed.
func opens(a Answer) bool { return a == Works || a == WorksLater }
