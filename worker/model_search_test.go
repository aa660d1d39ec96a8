package worker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/worker/internal/policy"
)

// search explores every world that can be reached from the start, breadth first, so
// that the first way found to a broken promise is a shortest one.
type search struct {
	m      *model
	worlds []world
	index  map[world]uint32
	from   []uint32 // the world each was first reached from
	next   []uint32 // where the edges of each world end, in turn
	until  []int    // where each world's edges end in next
}

// certain marks an edge that is taken if nothing else happens.
const certain = 1 << 31

// explore returns what is wrong, with a shortest trace, or nothing. It gives up
// when there are more than most worlds.
func (m *model) explore(budget uint8, most int) (*search, error) {
	s := &search{m: m, index: map[world]uint32{}}
	s.visit(m.start(budget), 0)
	for i := 0; i < len(s.worlds); i++ {
		w := s.worlds[i]
		if why := m.wrong(&w); why != "" {
			return s, fmt.Errorf("%s\n%s", why, s.trace(uint32(i)))
		}
		for _, e := range m.edges(&w) {
			m.tidy(&e.to)
			to := s.visit(e.to, uint32(i))
			if e.kind == course {
				to |= certain
			}
			s.next = append(s.next, to)
		}
		s.until = append(s.until, len(s.next))
		if len(s.worlds) > most {
			return s, fmt.Errorf("more than %d worlds; use a smaller budget", most)
		}
	}
	if err := s.hopeless(); err != nil {
		return s, err
	}
	return s, s.endless()
}

func (s *search) visit(w world, from uint32) uint32 {
	i, known := s.index[w]
	if !known {
		i = uint32(len(s.worlds))
		s.index[w] = i
		s.worlds = append(s.worlds, w)
		s.from = append(s.from, from)
	}
	return i
}

// edges of a world that was explored.
func (s *search) edges(i uint32) []uint32 {
	begin := 0
	if i > 0 {
		begin = s.until[i-1]
	}
	return s.next[begin:s.until[i]]
}

func (s *search) settled(i uint32) bool { return s.worlds[i].book.end != unsettled }

// hopeless looks for a world from which no result can be reached any more (L1).
// Results spread backwards over the edges, the latest worlds first, until no more
// is gained.
func (s *search) hopeless() error {
	hope := make([]bool, len(s.worlds))
	for gained := true; gained; {
		gained = false
		for i := len(hope) - 1; i >= 0; i-- {
			if hope[i] {
				continue
			}
			hope[i] = s.settled(uint32(i)) ||
				slices.ContainsFunc(s.edges(uint32(i)), func(to uint32) bool { return hope[to&^certain] })
			gained = gained || hope[i]
		}
	}
	if i := slices.Index(hope, false); i >= 0 {
		return fmt.Errorf("L1: no result can be reached any more\n%s", s.trace(uint32(i)))
	}
	return nil
}

// endless looks for a world in which nothing is certain to happen, and, once all
// time is up, for one from which what is certain leads back to it (L2). What is
// certain must end in a result: a world is good when all that is certain in it
// leads to good worlds, and whatever never becomes good goes in circles.
func (s *search) endless() error {
	good := make([]bool, len(s.worlds))
	for i := range s.worlds {
		idle := !slices.ContainsFunc(s.edges(uint32(i)), func(to uint32) bool { return to&certain != 0 })
		if idle && !s.settled(uint32(i)) {
			return fmt.Errorf("L2: nothing is bound to happen any more\n%s", s.trace(uint32(i)))
		}
	}
	for gained := true; gained; {
		gained = false
		for i := len(good) - 1; i >= 0; i-- {
			if good[i] {
				continue
			}
			good[i] = s.settled(uint32(i)) || !s.worlds[i].timeIsUp() ||
				!slices.ContainsFunc(s.edges(uint32(i)), func(to uint32) bool { return to&certain != 0 && !good[to&^certain] })
			gained = gained || good[i]
		}
	}
	if i := slices.Index(good, false); i >= 0 {
		return fmt.Errorf("L2: all time is up, and the order goes round in circles\n%s", s.trace(uint32(i)))
	}
	return nil
}

// trace tells in words how a world was reached. Worlds are kept with the attempts in
// an order of their own, so who is who is worked out on the way.
func (s *search) trace(last uint32) string {
	way := []uint32{last}
	for i := last; i != 0; i = s.from[i] {
		way = append(way, s.from[i])
	}
	slices.Reverse(way)
	names := [3]string{"", "worker A ", "worker B "}
	var b strings.Builder
	for n := 1; n < len(way); n++ {
		w, to := s.worlds[way[n-1]], s.worlds[way[n]]
		for _, e := range s.m.edges(&w) {
			tidied := e.to
			swapped := s.m.tidy(&tidied)
			if tidied != to {
				continue
			}
			fmt.Fprintf(&b, "%3d  %s%s%s\n", n, names[e.hand], e.what, e.detail(w))
			if swapped {
				names[1], names[2] = names[2], names[1]
			}
			break
		}
	}
	return b.String()
}

// detail adds the number, where there is more than one, and the result.
func (e edge) detail(w world) string {
	if e.hand == 0 {
		return ""
	}
	h, said := w.hands[e.hand-1], ""
	if h.reissues > 0 {
		said = fmt.Sprintf(" (number %d)", h.reissues+1)
	}
	if h.place == acting && h.do == policy.Settle {
		said += ": " + endingNames[h.end]
	}
	return said
}
