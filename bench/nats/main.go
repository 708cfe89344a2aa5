// NATS JetStream beside the product: a server that syncs every message before it answers, and the sender that loads it.
//
//	nats server --port PORT --directory DIR     until SIGTERM
//	nats load --port PORT --events N --in-flight N --flights FILE
//
// Sender and server are two processes, as on the product's side. The sender prints one line of JSON with its figures.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"server": serve, "load": load}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: nats server|load ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}
