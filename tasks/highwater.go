package tasks

import "fmt"

// DefaultHighWater is the number of results in the stream from which on nothing new is
// accepted, unless [Producer.WithHighWater] says otherwise. So many results take some 5 GB.
const DefaultHighWater = 5_000_000

// HighWaterError says that the result stream is full: orders that are new are not
// accepted until its readers have caught up. To accept them would be to lose results
// in the end. What was accepted before goes on, and its results are published.
type HighWaterError struct {
	Length string // of the stream, in entries
}

// Error implements error.
func (e *HighWaterError) Error() string {
	return fmt.Sprintf("%s results are in the stream and no more orders are taken until they are read: "+
		"see which consumer group is behind (qfpay_results_unread, XINFO GROUPS), have it read and acknowledge, "+
		"or remove it if it is no longer used (XGROUP DESTROY)", e.Length)
}

// WithHighWater returns a producer that accepts nothing new while the result stream has
// n entries or more; 0 is no bound. All producers of a shard should have the same.
func (p *Producer) WithHighWater(n int) *Producer {
	bounded := *p
	bounded.highWater = n
	return &bounded
}
