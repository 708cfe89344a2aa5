package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// flight is an event of the input, whose id is replaced.
type flight struct {
	Specversion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
}

// load publishes one event a message, each with an id that the stream deduplicates by, and waits for each answer.
func load(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	port := flags.Int("port", 0, "where the server listens")
	events := flags.Int64("events", 100_000, "how many events in all")
	inFlight := flags.Int("in-flight", 64, "messages sent and not yet answered")
	file := flags.String("flights", "", "the flights, NDJSON.gz")
	_ = flags.Parse(arguments)

	flights, err := read(*file)
	if err != nil {
		return err
	}
	connection, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", *port))
	if err != nil {
		return err
	}
	defer connection.Close()
	stream, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	config := jetstream.StreamConfig{Name: "flights", Subjects: []string{"flights"}, Storage: jetstream.FileStorage}
	if _, err := stream.CreateOrUpdateStream(context.Background(), config); err != nil {
		return err
	}
	return publish(stream, flights, *events, *inFlight)
}

func publish(stream jetstream.JetStream, flights []flight, events int64, inFlight int) error {
	var next atomic.Int64
	var senders sync.WaitGroup
	latencies := make([][]time.Duration, inFlight)
	failures := make(chan error, inFlight)
	run := time.Now().UnixMilli()
	began := time.Now()
	for sender := range inFlight {
		senders.Go(func() {
			for number := next.Add(1) - 1; number < events; number = next.Add(1) - 1 {
				event := flights[number%int64(len(flights))]
				event.ID = fmt.Sprintf("%d-%d", run, number)
				text, err := json.Marshal(event)
				if err != nil {
					failures <- err
					return
				}
				sent := time.Now()
				if _, err := stream.Publish(context.Background(), "flights", text, jetstream.WithMsgID(event.ID)); err != nil {
					failures <- err
					return
				}
				latencies[sender] = append(latencies[sender], time.Since(sent))
			}
		})
	}
	senders.Wait()
	elapsed := time.Since(began)
	select {
	case err := <-failures:
		return err
	default:
		return report(latencies, events, elapsed)
	}
}

func report(latencies [][]time.Duration, events int64, elapsed time.Duration) error {
	var all []time.Duration
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	milliseconds := func(part float64) float64 {
		return float64(all[min(int(float64(len(all))*part), len(all)-1)].Microseconds()) / 1e3
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"limit": "nats", "events": events, "seconds": elapsed.Seconds(),
		"events_per_second": float64(events) / elapsed.Seconds(),
		// Of the server, which the benchmark reads from /proc; the sender's own are of no interest.
		"cpu_seconds_per_million": 0, "peak_rss_mb": 0,
		"p50_ms": milliseconds(0.5), "p99_ms": milliseconds(0.99),
	})
}

func read(path string) ([]flight, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	var flights []flight
	lines := bufio.NewScanner(unpacked)
	for lines.Scan() {
		var event flight
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, err
		}
		event.Specversion = "1.0"
		flights = append(flights, event)
	}
	return flights, lines.Err()
}
