package request

import (
	_ "embed"
	"strings"
	"sync"
)

// zoneNames has the zones in time/tzdata, which is linked into the API server.
// time.LoadLocation would prefer the local machine's files, which differ: some contain
// posix/Asia/Seoul as well, some lack US/Pacific, and some accept asia/seoul.
//
//go:embed zones.txt
var zoneNames string

var zones = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.Lines(zoneNames) {
		names[strings.TrimSuffix(name, "\n")] = true
	}
	return names
})

// zoneExists reports whether the API server accepts a timeZone. Unlike time.LoadLocation, it
// rejects Local and the empty name, which are not in zoneNames.
func zoneExists(name string) bool { return zones()[name] }
