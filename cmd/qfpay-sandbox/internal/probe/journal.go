package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrOtherAccount means that a journal is of another account than the probe's.
var ErrOtherAccount = errors.New("it is of another account")

var errNoJournal = errors.New("it is not the journal of a probe")

// Account is what a journal belongs to. None of it is secret.
type Account struct {
	BaseURL string `json:"base_url"`
	AppCode string `json:"app_code"`
	MchID   string `json:"mchid,omitempty"`
}

// Journal is a file of observations, one line of JSON each, behind a line with the account. Each is
// on the disk when Add returns. It is not safe for concurrent use.
type Journal struct {
	file file
	log  []Observation
}

// file is what a journal needs of an [os.File] to add a line.
type file interface {
	io.WriteCloser
	Sync() error
}

// OpenJournal opens the journal of an account, or begins one. A line at the end that was not
// written completely is dropped. Errors name the file.
func OpenJournal(path string, a Account) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f}
	if err := j.read(f, a); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// read reads the file, and leaves it ready for the next line.
func (j *Journal) read(f *os.File, a Account) error {
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if len(whole) == 0 && len(text) > 0 {
		return errNoJournal // or one whose first line was not written completely: nothing is lost with it
	}
	if err := j.parse(whole, a); err != nil {
		return err
	}
	if err := f.Truncate(int64(len(whole))); err != nil {
		return err
	}
	if _, err := f.Seek(int64(len(whole)), io.SeekStart); err != nil {
		return err
	}
	if len(whole) == 0 {
		return j.write(a)
	}
	return nil
}

// parse reads the lines.
func (j *Journal) parse(text []byte, a Account) error {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if number == 1 {
			var of Account
			if json.Unmarshal(line, &of) != nil || of.BaseURL == "" {
				return errNoJournal
			}
			if of != a {
				return fmt.Errorf("%w: app_code %s at %s", ErrOtherAccount, of.AppCode, of.BaseURL)
			}
			continue
		}
		var o Observation
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("line %d cannot be read: %w", number, err)
		}
		j.log = append(j.log, o)
	}
	return nil
}

// Observations returns all observations, in the order in which they were made.
func (j *Journal) Observations() []Observation { return j.log }

// Add writes an observation.
func (j *Journal) Add(o Observation) error {
	if err := j.write(o); err != nil {
		return err
	}
	j.log = append(j.log, o)
	return nil
}

func (j *Journal) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }
