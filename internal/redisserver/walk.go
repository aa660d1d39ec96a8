package redisserver

import "slices"

// walked is how much a walk hands on at once. It is even: a member of a sorted set and its score
// stay together.
const walked = 200

// Walk calls each for everything that a SCAN finds, some at a time: SCAN may return more than it was
// asked for. It may also name one thing twice.
func Walk(scan func(cursor uint64) ([]string, uint64, error), each func([]string) error) error {
	for cursor := uint64(0); ; {
		found, next, err := scan(cursor)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(found, walked) {
			if err := each(some); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
