// Command coredns is CoreDNS with only the plugins that a small cluster's Corefile uses.
// The full set pulls in the cloud providers' libraries, which take eight minutes to compile.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

// The order is the order in which a request passes through the plugins.
func init() {
	dnsserver.Directives = []string{
		"reload", "errors", "health", "ready", "cache", "loadbalance", "loop", "kubernetes", "forward",
	}
}

func main() {
	coremain.Run()
}
