package cli

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/muster-im/muster/imclient"
)

// answer is what a service said of one account. As JSON it is printed as it is.
type answer interface {
	// head returns what all answers have.
	head() *result
	// state is what the account is counted as; it is not used if the result is a failure.
	state() string
	// rows are the lines of the table that the account has.
	rows() [][]string
}

// result has the fields of the wire that all answers have. ResultCode is 0 if it is no
// failure.
type result struct {
	UserID     string
	ResultCode int
	ResultInfo string
}

func newResult(r imclient.Result) result {
	return result{UserID: r.UserID, ResultCode: r.Code, ResultInfo: r.Info}
}

func (r *result) head() *result { return r }

// reason is what a table says of a failure, nothing if it is none.
func (r *result) reason() string {
	if r.ResultCode == 0 {
		return ""
	}
	return strings.TrimSpace(strconv.Itoa(r.ResultCode) + " " + r.ResultInfo)
}

// answerPrinter prints answers batch by batch.
type answerPrinter interface {
	print(answers []answer) error
}

func newAnswerPrinter(w io.Writer, asJSON bool, header []string) answerPrinter {
	buffered := bufio.NewWriter(w)
	if !asJSON {
		return &table{w: buffered, header: header}
	}
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	return &lines{buffered, encoder}
}

// lines prints answers as one JSON object a line.
type lines struct {
	w       *bufio.Writer
	encoder *json.Encoder
}

func (l *lines) print(answers []answer) error {
	for _, a := range answers {
		if err := l.encoder.Encode(a); err != nil {
			return err
		}
	}
	return l.w.Flush()
}

// gap is the space between two columns of a table.
const gap = 2

// table prints aligned columns. A column is as wide as its widest cell so far, so that
// nothing has to wait for the end; the last one has no width.
type table struct {
	w      *bufio.Writer
	header []string // of each column; printed before the first row
	widths []int
}

func (t *table) print(answers []answer) error {
	var rows [][]string
	if t.widths == nil && len(answers) > 0 {
		t.widths = make([]int, len(t.header))
		rows = append(rows, t.header)
	}
	for _, a := range answers {
		rows = append(rows, a.rows()...)
	}
	for _, row := range rows {
		t.fit(row)
	}
	for _, row := range rows {
		t.write(row)
	}
	return t.w.Flush() // with any error of before
}

// fit widens the columns for a row, whose cells it makes printable.
func (t *table) fit(row []string) {
	for i := range row {
		row[i] = printable(row[i])
		t.widths[i] = max(t.widths[i], len(row[i]))
	}
}

func (t *table) write(row []string) {
	end := len(row)
	for end > 0 && row[end-1] == "" {
		end--
	}
	for i, cell := range row[:end] {
		_, _ = t.w.WriteString(cell) // t.w keeps the error
		if i < end-1 {
			_, _ = t.w.WriteString(strings.Repeat(" ", t.widths[i]+gap-len(cell)))
		}
	}
	_ = t.w.WriteByte('\n')
}

// printable returns text as it may be shown on a terminal and as a cell of a table:
// quoted if it has anything else than printable ASCII in it.
func printable(text string) string {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return strconv.QuoteToASCII(text)
		}
	}
	return text
}
