package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/qfpay-worker/qfpay-worker/cmd/internal/qrpng"
	"github.com/qfpay-worker/qfpay-worker/tasks"
)

// batchOf returns the name of a batch for a file: that of the file without its ending, with hyphens
// for the characters that a batch cannot have.
func batchOf(file string) string {
	base := filepath.Base(file)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && tasks.ValidBatch(string(r)) {
			return r
		}
		return '-'
	}, base)
	if strings.Trim(name, "-") == "" {
		return "orders"
	}
	return name[:min(len(name), 64)]
}

// resultsName returns the name of the file of results.
func resultsName(given, input string) string {
	if given != "" {
		return given
	}
	ending := filepath.Ext(input)
	return strings.TrimSuffix(input, ending) + ".results" + ending
}

// samePath reports whether two names are of the same file, which need not exist.
func samePath(a, b string) bool {
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return same(a, b) || errX == nil && errY == nil && x == y
}

// resultsFile is the file of results. Until commit, it has another name, beside the final one.
type resultsFile struct {
	name string   // "-": standard output
	file *os.File // nil: standard output, or done
	out  *bufio.Writer
}

// writeError is an error of a file that is written.
type writeError struct{ error }

// Unwrap returns the cause, for [errors.Is] and [errors.As].
func (e *writeError) Unwrap() error { return e.error }

// newResultsFile creates the file.
func newResultsFile(name, input string, stdout io.Writer) (*resultsFile, error) {
	if name == "-" {
		return &resultsFile{name: name, out: bufio.NewWriter(stdout)}, nil
	}
	if same(name, input) {
		return nil, fmt.Errorf("--results: %s is the input file", name)
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("--results: %s is a directory", name)
	} else if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("--results: %s is not a regular file; - is standard output", name)
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // the file is replaced, and not the link to it
	}
	f, err := createBeside(name)
	if err != nil {
		return nil, fmt.Errorf("--results: %w; --results FILE writes elsewhere", err)
	}
	return &resultsFile{name: name, file: f, out: bufio.NewWriterSize(f, 64<<10)}, nil
}

// createBeside creates a file that can be renamed to name, with the rights that name would get.
func createBeside(name string) (*os.File, error) {
	dir, base := filepath.Split(name)
	beside := filepath.Join(dir, "."+base[:min(len(base), 200)]+"."+rand.Text()[:8]+".tmp")
	return os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// String returns the name of the file.
func (r *resultsFile) String() string {
	if r.name == "-" {
		return "standard output"
	}
	return r.name
}

func (r *resultsFile) write(text []byte) error {
	_, err := r.out.Write(text)
	return r.failed(err)
}

// flush writes what is in memory.
func (r *resultsFile) flush() error { return r.failed(r.out.Flush()) }

func (r *resultsFile) failed(err error) error {
	if err == nil {
		return nil
	}
	return &writeError{fmt.Errorf("cannot write %s: %w", r, err)}
}

// commit gives the file its name. After a crash of the machine it is there completely, or not at all.
func (r *resultsFile) commit() error {
	if err := r.flush(); err != nil || r.file == nil {
		return err
	}
	f := r.file
	err := errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.name)
	}
	if err != nil {
		return r.failed(err)
	}
	r.file = nil
	if dir, err := os.Open(filepath.Dir(r.name)); err == nil {
		dir.Sync() // not every file system can
		dir.Close()
	}
	return nil
}

// abandon removes a file that did not get its name.
func (r *resultsFile) abandon() {
	if r.file != nil {
		r.file.Close()
		os.Remove(r.file.Name())
	}
}

// codeDir is the directory of --qr-dir.
type codeDir struct {
	dir     string
	several bool // of several merchants, which are in the names
	tooLong int  // texts that no QR code can have
}

// newCodeDir creates the directory, or finds out that it cannot be written to. It returns nil without
// a name.
func newCodeDir(dir string) (*codeDir, error) {
	if dir == "" {
		return nil, nil
	}
	err := os.MkdirAll(dir, 0o777)
	if err == nil {
		var probe *os.File
		if probe, err = createBeside(filepath.Join(dir, "qr")); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("--qr-dir: %w", err)
	}
	return &codeDir{dir: dir}, nil
}

// draw draws the QR code of a result: out_trade_no.png, or merchant.out_trade_no.png, complete or not
// at all.
func (d *codeDir) draw(r tasks.Result) error {
	code, err := qrpng.Encode(r.QRCode)
	if err != nil {
		d.tooLong++
		return nil
	}
	name := r.OutTradeNo + ".png"
	if d.several {
		name = r.Merchant + "." + name
	}
	name = filepath.Join(d.dir, name)
	f, err := createBeside(name)
	if err == nil {
		err = errors.Join(code.Write(f, qrpng.DefaultScale), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name)
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		return &writeError{fmt.Errorf("cannot write %s: %w", name, err)}
	}
	return nil
}

// note says what could not be drawn.
func (d *codeDir) note(w io.Writer) {
	if d != nil && d.tooLong > 0 {
		fmt.Fprintf(w, "qfpay-worker: %d texts are too long for a QR code, and were not drawn; they are in the file of results\n", d.tooLong)
	}
}
