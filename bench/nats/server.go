package main

import (
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serve runs a server that answers a message once it is synced: `sync_interval: always`.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("server", flag.ExitOnError)
	port := flags.Int("port", 0, "where it listens")
	directory := flags.String("directory", "", "where it keeps its files")
	_ = flags.Parse(arguments)

	options := &server.Options{
		Host:       "127.0.0.1",
		Port:       *port,
		JetStream:  true,
		StoreDir:   *directory,
		SyncAlways: true,
		NoSigs:     true,
	}
	running, err := server.NewServer(options)
	if err != nil {
		return err
	}
	running.Start()
	if !running.ReadyForConnections(10 * time.Second) {
		return errors.New("the server is not ready after 10 s")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	running.Shutdown()
	running.WaitForShutdown()
	return nil
}
