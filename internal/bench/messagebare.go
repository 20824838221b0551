package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/muster-im/muster/internal/gateway"
	"github.com/muster-im/muster/internal/message"
	"github.com/muster-im/muster/internal/store/pebblestore"
)

// barePebble measures how fast Pebble alone makes records durable that are as long as messages
// are, in this process.
func (m *messageRun) barePebble(ctx context.Context, r *MessageRound) (err error) {
	dir := filepath.Join(m.root, "blind")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, err := pebblestore.OpenBlind(dir)
	if err != nil {
		return fmt.Errorf("bench: message: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	record := bytes.Repeat([]byte(body), recordSize/len(body)+1)[:recordSize]
	for _, step := range []struct {
		title string
		n     int
		into  *Sending
	}{{"bare Pebble", 1, &r.BareOne}, {"bare Pebble in groups", message.MaxRecipients, &r.BareMany}} {
		*step.into, err = m.loop(ctx, max(m.o.Messages/step.n, 1), sendingConnections, 0, func(int, time.Time) error {
			return store.Append(step.n, record)
		})
		if err != nil {
			return fmt.Errorf("bench: %s: %w", step.title, err)
		}
		step.into.times(step.n)
		m.say(step.title, *step.into)
	}
	return nil
}

// pathPublish is where a bare publisher takes what it publishes, with the user as the query.
const pathPublish = "/publish"

// barePublish measures centrifuge with nothing behind it: publications as fast as it answers,
// and at the rate of the service.
func (m *messageRun) barePublish(ctx context.Context, r *MessageRound) (err error) {
	c, err := serve(ctx, m.root, m.suite.o.Exe, "bench", "bare", "--publish")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	all, err := m.dial(ctx, c, m.o.Sessions)
	defer all.close()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: openWorkers}, Timeout: loginTimeout}
	defer client.CloseIdleConnections()
	publish := func(i int, random uint32) error {
		return m.publish(ctx, client, c, m.ids[m.connected(i)], random)
	}
	r.BarePublish, err = m.loop(ctx, m.o.Messages, sendingConnections, 0, func(i int, _ time.Time) error {
		return publish(i, m.random.Add(1))
	})
	if err != nil {
		return fmt.Errorf("bench: bare publish: %w", err)
	}
	m.say("bare centrifuge", r.BarePublish)
	r.BareDeliver, err = m.open(ctx, "bare delivery", r.Deliver.Rate, publish)
	return err
}

func (m *messageRun) publish(ctx context.Context, client *http.Client, c *child, to string, random uint32) error {
	data := m.appendSend(make([]byte, 0, 512), suiteAdmin, to, random)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.addr+pathPublish+"?"+url.QueryEscape(to), bytes.NewReader(data))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusOK {
		err = errors.New("HTTP " + strconv.Itoa(response.StatusCode))
	}
	return errors.Join(err, response.Body.Close())
}

// ServeBarePublisher serves what Messages measures delivery against, until ctx ends.
func ServeBarePublisher(ctx context.Context, out io.Writer) (err error) {
	bare, err := gateway.NewBarePublisher()
	if err != nil {
		return fmt.Errorf("bench: bare: %w", err)
	}
	defer func() { err = errors.Join(err, bare.Stop(context.WithoutCancel(ctx))) }()
	mux := http.NewServeMux()
	mux.Handle("/", bare)
	mux.HandleFunc("POST "+pathPublish, func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(io.LimitReader(r.Body, maxCeilingBody))
		if err == nil {
			var user string
			if user, err = url.QueryUnescape(r.URL.RawQuery); err == nil {
				err = bare.Publish(user, data)
			}
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	return serveUntil(ctx, mux, out)
}
